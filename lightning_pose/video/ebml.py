"""What Matroska and WebM (EBML) say of their own length; the syntax is that of RFC 8794."""

from __future__ import annotations

from pathlib import Path

_HEADER, _SEGMENT = 0x1A45DFA3, 0x18538067  # names of elements
_READ = 4096  # bytes; the first element is far smaller


def lacks_bytes(path: Path) -> bool:
    """Tell whether a file says that it is longer than it is.

    False where it says nothing, as one does that was written without going back, or to which the
    end was never written.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_READ)
    place = 0
    for expected in (_HEADER, _SEGMENT):
        name, place = _number(data, place, keeps_marker=True)
        size, place = _number(data, place, keeps_marker=False)
        if name != expected or size is None:
            return False
        if expected == _SEGMENT:
            return place + size > path.stat().st_size
        place += size
    return False


def _number(data: bytes, place: int, *, keeps_marker: bool) -> tuple[int | None, int]:
    """Return a number of variable length and where it ends; None = unknown, or not there."""
    first = data[place] if place < len(data) else 0
    length = 9 - first.bit_length()
    found = int.from_bytes(data[place : place + length], "big")
    if not first or place + length > len(data):
        return None, place
    if keeps_marker:
        return found, place + length
    found -= 1 << (7 * length)
    is_unknown = found == (1 << (7 * length)) - 1
    return None if is_unknown else found, place + length
