"""Time spans as people write them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a time span as seconds, minutes and seconds, or hours and minutes.

    Example:
        >>> duration(0.24), duration(42.0), duration(75.0), duration(3 * 3600.0 + 120)
        ('0.2 s', '42 s', '1:15 min', '3:02 h')
    """
    if 0.05 <= seconds < 0.95:
        return f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
