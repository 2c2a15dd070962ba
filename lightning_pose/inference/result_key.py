"""Telling whether a result is already there: what it was made from, as one short key."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning_pose

_ROOMS = ("contracts", "ops", "video", "data", "models", "inference")  # what predictions hang on


def result_key(parts: Mapping[str, Any]) -> str:
    """Return 64 hexadecimal digits that change when any of ``parts`` does.

    Args:
        parts: plain values (JSON).
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def code_version() -> str:
    """Return the package's version and a hash of the code that predictions hang on."""
    digest = hashlib.sha256()
    package = Path(lightning_pose.__file__).parent
    for room in _ROOMS:
        for path in sorted((package / room).rglob("*.py")):
            digest.update(path.relative_to(package).as_posix().encode())
            digest.update(path.read_bytes())
    return f"{lightning_pose.__version__}+{digest.hexdigest()[:12]}"
