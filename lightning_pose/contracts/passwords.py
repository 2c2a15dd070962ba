"""Keeping the passwords in URLs out of what is printed and recorded."""

from __future__ import annotations

import re

HIDDEN = "***"
_IN_FRONT_OF_HOST = re.compile(r"(://[^:@/\s'\"]*:)[^\s'\"]+@")
_AS_OPTION = re.compile(r"([?&]\w*(?:password|passwd|pwd|token)=)[^&\s'\"]+", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """Return a text that may be shown, the passwords of all URLs in it hidden.

    Example:
        >>> without_passwords("tracking.uri=postgresql://ann:secret@host/db?sslmode=require")
        'tracking.uri=postgresql://ann:***@host/db?sslmode=require'
    """
    text = _IN_FRONT_OF_HOST.sub(rf"\g<1>{HIDDEN}@", text)
    return _AS_OPTION.sub(rf"\g<1>{HIDDEN}", text)
