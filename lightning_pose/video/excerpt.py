"""Some frames of an MP4 as a small MP4 in memory, which other programs' libraries open by name.

Whatever opens a long MP4 with FFmpeg keeps 55 bytes of every frame of it. A GPU's decoders open
videos themselves, eight of them at a time: ten hours would cost half a gigabyte. An excerpt has an
index of its own, of the frames in it alone.
"""

from __future__ import annotations

import os
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, Int64

from lightning_pose.video.h264_headers import ReferenceCounter
from lightning_pose.video.sample_table import SampleTable
from lightning_pose.video.segments import SEGMENT_FRAMES

LARGEST = 1 << 28  # bytes of frames; what is larger is better read from the video itself
_RATE = 30  # frames a second as it says: what times count, not what was filmed
_IDENTITY = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


@dataclass(frozen=True)
class Span:
    """Frames that can be decoded without any other.

    Attributes:
        start: the first, which is also where it is stored among all frames.
        shown: the first after them.
        stored: the first place after them in the order in which frames are stored.
    """

    start: int
    shown: int
    stored: int


def spans(table: SampleTable, start: int, stop: int) -> list[Span]:
    """Return consecutive spans of about a thousand frames that hold ``start`` to ``stop - 1``.

    Args:
        table: of a file all of whose frames are shown, the first of which is an entry.
        start: the first frame wanted; the first span may begin before it.
        stop: the first frame that is not wanted.
    """
    entries = table.entries
    first = int(entries[np.searchsorted(entries, start, side="right") - 1])
    found = []
    while first < stop:
        later = entries[entries >= first + SEGMENT_FRAMES]
        end = int(later[0]) if len(later) else table.num_frames
        wanted = np.flatnonzero(table.numbers[first:end] < stop)
        found.append(Span(first, min(end, stop), first + int(wanted[-1]) + 1))
        first = end
    return found


class Excerpt:
    """A span of an MP4 as a file that lives in memory until nobody refers to this object.

    Args:
        video: the file.
        table: its frames.
        span: which of them.

    Attributes:
        path: a name under which this process can open it.

    Raises:
        OSError: the video cannot be read.
    """

    def __init__(self, video: Path, table: SampleTable, span: Span) -> None:
        stored = slice(span.start, span.stored)
        shown = table.numbers[stored].astype(np.int64) - span.start
        self._delay = int((np.arange(len(shown)) - shown).max())
        self._start = span.start
        file = os.memfd_create(video.stem[:100])
        weakref.finalize(self, os.close, file)
        self.path = Path(f"/proc/self/fd/{file}")
        keys = table.keys[(table.keys >= span.start) & (table.keys < span.stored)] - span.start
        _write(
            file,
            _movie(table.description, table.sizes[stored], shown + self._delay, keys),
        )
        with video.open("rb") as source:
            for begin, length in _runs(table.positions[stored], table.sizes[stored]):
                _copy(source.fileno(), file, begin, length)

    def times(self, start: int, stop: int) -> Int64[np.ndarray, " n"]:
        """Return when frames of the video are shown in this file, in its own units."""
        return np.arange(start, stop, dtype=np.int64) - self._start + self._delay


def lacks_references(video: Path, table: SampleTable, span: Span) -> bool:
    """Tell whether frames that others are decoded from were lost in a span.

    Of other codecs than H.264 that is not known before they are decoded.

    Raises:
        OSError: the video cannot be read.
    """
    if table.settings.codec != "h264":
        return False
    counter = ReferenceCounter(table.settings.extradata)
    stored = slice(span.start, span.stored)
    places = zip(table.sizes[stored].tolist(), table.positions[stored].tolist(), strict=True)
    with video.open("rb", buffering=0) as file:
        return any(counter.skips(os.pread(file.fileno(), *place)) for place in places)


def num_bytes(table: SampleTable, span: Span) -> int:
    """Return how many bytes the frames of a span have."""
    return int(table.sizes[span.start : span.stored].sum(dtype=np.int64))


def _movie(
    description: bytes,
    sizes: Int[np.ndarray, " n"],
    times: Int[np.ndarray, " n"],
    keys: Int[np.ndarray, " m"],
) -> bytes:
    """Return all that comes before the frames: the index, and the head of the box they are in."""
    number, length = len(sizes), int(sizes.sum(dtype=np.int64))
    kind = _box(b"ftyp", b"isom", _words(0x200), b"isomiso2mp41")
    head = _words(1) + b"mdat" + (length + 16).to_bytes(8, "big")
    media = (
        _full(b"mdhd", _words(0, 0, _RATE, number, 0x55C40000)),
        _full(b"hdlr", _words(0), b"vide", bytes(13)),
    )
    around = (
        _full(b"vmhd", bytes(8), flags=1),
        _box(b"dinf", _full(b"dref", _words(1), _full(b"url ", flags=1))),
    )
    offsets = np.stack([np.ones(number, dtype=np.int64), times - np.arange(number)], axis=1)

    def index(first: int) -> bytes:
        samples = _box(
            b"stbl",
            _box(b"stsd", description),
            _full(b"stts", _words(1, number, 1)),
            _full(b"ctts", _words(number), _array(offsets)),
            _full(b"stss", _words(len(keys)), _array(keys + 1)),
            _full(b"stsc", _words(1, 1, number, 1)),
            _full(b"stsz", _words(0, number), _array(sizes)),
            _full(b"stco", _words(1, first)),
        )
        track = _box(
            b"trak",
            _full(b"tkhd", _words(0, 0, 1, 0, number, *[0] * 4, *_IDENTITY, 0, 0), flags=3),
            _box(b"mdia", *media, _box(b"minf", *around, samples)),
        )
        about = _words(0, 0, _RATE, number, 1 << 16, 1 << 24, 0, 0, *_IDENTITY, *[0] * 6, 2)
        return _box(b"moov", _full(b"mvhd", about), track)

    before = len(kind) + len(index(0)) + len(head)
    return kind + index(before) + head


def _words(*values: int) -> bytes:
    return _array(np.array(values, dtype=np.int64))


def _array(values: Int[np.ndarray, ...]) -> bytes:
    return values.astype(">u4").tobytes()


def _box(kind: bytes, *parts: bytes) -> bytes:
    return _words(8 + sum(map(len, parts))) + kind + b"".join(parts)


def _full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    """Return a box that begins with a version, 0, and flags."""
    return _box(kind, _words(flags), *parts)


def _runs(positions: Int[np.ndarray, " n"], sizes: Int[np.ndarray, " n"]) -> list[tuple[int, int]]:
    """Return where frames lie, as stretches of bytes (begin, length) without gaps."""
    ends = positions + sizes
    new = np.flatnonzero(positions[1:] != ends[:-1]) + 1
    firsts = np.concatenate([[0], new])
    lasts = np.concatenate([new, [len(sizes)]]) - 1
    return [
        (int(positions[a]), int(ends[b] - positions[a]))
        for a, b in zip(firsts, lasts, strict=True)
    ]


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _copy(source: int, file: int, begin: int, length: int) -> None:
    """Copy bytes from a place of a file to the end of another, inside the kernel.

    Raises:
        OSError: the source ends before.
    """
    while length:
        done = os.sendfile(file, source, begin, length)
        if not done:
            raise OSError("the file has become shorter")
        begin, length = begin + done, length - done
