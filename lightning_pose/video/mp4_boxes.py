"""The boxes an MP4 or MOV file is made of, as far as FFmpeg does not tell what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Int32

_WAY_TO_SAMPLES = (b"mdia", b"minf", b"stbl")
_HEADER, _LONG_HEADER = 8, 16  # bytes


class Box(NamedTuple):
    """A box of a file: its kind, and where its content begins and ends (bytes)."""

    kind: bytes
    begin: int
    end: int


def boxes(file: BinaryIO, begin: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two places of a file; the last may end beyond ``end``."""
    place = begin
    while place + _HEADER <= end:
        file.seek(place)
        header = file.read(_LONG_HEADER)
        length, content = int.from_bytes(header[:4], "big"), place + _HEADER
        if length == 1:
            length, content = int.from_bytes(header[8:16], "big"), place + _LONG_HEADER
        elif length == 0:  # up to the end of the file
            length = end - place
        place += max(length, _HEADER)
        yield Box(header[4:8], content, place)


class TrackTables(NamedTuple):
    """What an index says of a track beyond what FFmpeg tells.

    Attributes:
        offsets: how long after its decoding each frame is shown, up to a constant, in units of
            the track; zeros without B-frames.
        description: the content of the box ``stsd``: what a decoder must know beforehand.
    """

    offsets: Int32[np.ndarray, " n"]
    description: bytes


def track_tables(path: Path, *, track_id: int, num_samples: int) -> TrackTables | None:
    """Return what the index says of a track.

    None if the file is no plain MP4 or MOV: the track is not found, or it does not have exactly
    ``num_samples`` frames of one format in its index.
    """
    with path.open("rb") as file:
        tables = _sample_tables(file, path.stat().st_size, track_id)
        if not {b"stsd", b"stsz"} <= tables.keys():
            return None
        formats = _integers(file, tables[b"stsd"], skip=4, count=1)
        sizes = _integers(file, tables[b"stsz"], skip=8, count=1)
        if formats.tolist() != [1] or sizes.tolist() != [num_samples]:
            return None
        file.seek(tables[b"stsd"].begin)
        description = file.read(tables[b"stsd"].end - tables[b"stsd"].begin)
        if b"ctts" not in tables:
            return TrackTables(np.zeros(num_samples, dtype=np.int32), description)
        (number,) = _integers(file, tables[b"ctts"], skip=4, count=1).tolist()
        runs = _integers(file, tables[b"ctts"], skip=8, count=2 * number).reshape(-1, 2)
    offsets = np.repeat(runs[:, 1], runs[:, 0].clip(0, num_samples))
    if len(offsets) != num_samples:
        return None
    return TrackTables(offsets.astype(np.int32), description)


def _sample_tables(file: BinaryIO, size: int, track_id: int) -> dict[bytes, Box]:
    """Return the boxes that tell of a track's frames, by kind; empty if there is no such track."""
    for movie in boxes(file, 0, size):
        if movie.kind != b"moov":
            continue
        for track in boxes(file, movie.begin, movie.end):
            if track.kind == b"trak" and _track_id(file, track) == track_id:
                inside = track
                for kind in _WAY_TO_SAMPLES:
                    inside = _first(file, inside, kind)
                    if inside is None:
                        return {}
                return {box.kind: box for box in boxes(file, inside.begin, inside.end)}
    return {}


def _first(file: BinaryIO, box: Box, kind: bytes) -> Box | None:
    return next((b for b in boxes(file, box.begin, box.end) if b.kind == kind), None)


def _track_id(file: BinaryIO, track: Box) -> int | None:
    header = _first(file, track, b"tkhd")
    if header is None:
        return None
    file.seek(header.begin)
    version = file.read(1)[:1]
    found = _integers(file, header, skip=20 if version == b"\x01" else 12, count=1)
    return int(found[0]) if len(found) else None


def _integers(file: BinaryIO, box: Box, *, skip: int, count: int) -> Int32[np.ndarray, " m"]:
    """Return 32-bit numbers of a box, after ``skip`` bytes of its content; fewer if it ends."""
    file.seek(box.begin + skip)
    data = file.read(min(4 * count, max(box.end - box.begin - skip, 0)))
    return np.frombuffer(data[: len(data) // 4 * 4], dtype=">i4").astype(np.int32)


def lacks_index(path: Path) -> bool:
    """Tell whether a file is an MP4 or MOV whose ``moov`` box is missing or cut off."""
    size = path.stat().st_size
    with path.open("rb") as file:
        found = list(boxes(file, 0, size))
    if not found or found[0].kind not in (b"ftyp", b"mdat", b"wide", b"skip", b"free"):
        return False
    return not any(box.kind == b"moov" and box.end <= size for box in found)
