"""How lists are worded in messages: the first few, then how many more."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 5


def listed(things: Iterable[object], *, shown: int = SHOWN) -> str:
    """Return the first few things, and how many more there are.

    Example:
        >>> listed(["a", "b", "c", "d"], shown=2)
        'a, b and 2 more'
    """
    words = [str(thing) for thing in things]
    rest = len(words) - shown
    return ", ".join(words[:shown]) + (f" and {rest} more" if rest > 0 else "")


def count(number: int, noun: str) -> str:
    """Return the number and the noun, in the plural where it is due.

    Example:
        >>> count(1, "label"), count(3, "label")
        ('1 label', '3 labels')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
