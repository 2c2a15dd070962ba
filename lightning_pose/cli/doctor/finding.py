"""What looking at one part of this machine gave."""

from __future__ import annotations

from dataclasses import dataclass

OK, LIMITED, MISSING = "ok", "limited", "missing"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what.
        state: ok, limited (something else serves) or missing (a command will fail).
        detail: what was found.
        cure: one line to type or do; empty when there is nothing to cure.
    """

    name: str
    state: str
    detail: str
    cure: str = ""
