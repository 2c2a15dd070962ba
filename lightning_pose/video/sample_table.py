"""Where every frame of an MP4 lies in its file: 24 bytes a frame, and nothing open.

FFmpeg keeps 55 bytes a frame as long as an MP4 is open, in every reader again: 60 MB for ten hours
at 30 frames a second, and twice that while it is opened. This table is made once, shared by all
readers of a file, and enough to decode any of its frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from av.codec import CodecContext
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from jaxtyping import Bool, Int32, Int64

from lightning_pose.video.container_index import entries_of
from lightning_pose.video.info import VideoInfo, open_video
from lightning_pose.video.mp4_boxes import TrackTables, track_tables
from lightning_pose.video.once import once_per_file

# Codecs of which every stored frame is a packet the decoder takes as it is.
_CODECS = ("h264", "hevc", "mpeg4", "mjpeg")


@dataclass(frozen=True, kw_only=True)
class DecoderSettings:
    """What a decoder must be told of a track before its first frame."""

    codec: str
    codec_tag: str
    extradata: bytes | None
    width: int
    height: int
    pixel_format: str | None
    colour: tuple[int, int, int, int]

    @classmethod
    def of(cls, stream: VideoStream) -> DecoderSettings:
        """Return the settings the header of a file states."""
        context = stream.codec_context
        return cls(
            codec=context.codec.name,
            codec_tag=context.codec_tag,
            extradata=context.extradata,
            width=context.width,
            height=context.height,
            pixel_format=context.pix_fmt,
            colour=(
                context.color_range,
                context.colorspace,
                context.color_primaries,
                context.color_trc,
            ),
        )

    def decoder(self) -> VideoCodecContext:
        """Return a new decoder, which uses one thread: sequences are read side by side."""
        context = cast(VideoCodecContext, CodecContext.create(self.codec, "r"))
        context.codec_tag = self.codec_tag
        context.extradata = self.extradata
        context.width, context.height = self.width, self.height
        context.pix_fmt = self.pixel_format
        context.color_range, context.colorspace = self.colour[:2]
        context.color_primaries, context.color_trc = self.colour[2:]
        context.thread_type = "SLICE"
        context.thread_count = 1
        return context


@dataclass(frozen=True, kw_only=True)
class SampleTable:
    """The frames of a track in the order they are stored.

    Attributes:
        positions: of each stored frame in the file, in bytes.
        sizes: in bytes.
        numbers: display number from 0; -1 = never shown.
        keys: places of the key frames in this order.
        first_shown: for each key frame, the display number from which on it is enough.
        times: at which frames are shown, in their order, in units of the track.
        unit_s: of the track, in seconds.
        description: what the file says to a decoder (the content of its box ``stsd``).
        settings: for the decoder.
    """

    positions: Int64[np.ndarray, " n"]
    sizes: Int32[np.ndarray, " n"]
    numbers: Int32[np.ndarray, " n"]
    keys: Int32[np.ndarray, " m"]
    first_shown: Int32[np.ndarray, " m"]
    times: Int64[np.ndarray, " shown"]
    unit_s: Fraction
    description: bytes
    settings: DecoderSettings

    @property
    def num_frames(self) -> int:
        """Return how many frames are shown."""
        return len(self.times)

    @property
    def entries(self) -> Int32[np.ndarray, " _"]:
        """Return the frames that begin a closed group: neither side of them needs the other."""
        return self.keys[self.keys == self.first_shown]

    def places_of(self, start: int, count: int) -> Int64[np.ndarray, " count"]:
        """Return where the frames from display number ``start`` on are stored, in that order."""
        return np.flatnonzero((self.numbers >= start) & (self.numbers < start + count))

    def key_before(self, start: int, first_place: int) -> int:
        """Return the place of the last key frame that leads to frame ``start`` and all after it.

        Args:
            start: display number.
            first_place: the first place at which any frame wanted is stored.
        """
        enough = (self.first_shown <= start) & (self.keys <= first_place)
        return int(self.keys[enough][-1])


def sample_table(container: InputContainer, stream: VideoStream, path: Path) -> SampleTable | None:
    """Return the table of a plain MP4 or MOV; None of any other file.

    Plain is a file whose index names every frame, each once, of one format. Edit lists that move
    or hide frames are honoured; FFmpeg drops stored frames of those that cut more away, and such
    files are left to it. Frames beyond the end of a file cut off are left out.
    """
    index = _index(container, stream, path)
    return None if index is None else _table(index, path)


def trusted_table(info: VideoInfo) -> SampleTable | None:
    """Return the table of a file if it names all frames that its header promises; else None.

    It is made once as long as the file stays the same, and shared.
    """
    table = None if info.problems else _table_at(info.path)
    return table if table is not None and table.num_frames == info.num_frames else None


@once_per_file(kept=2)  # who works with one keeps it
def _table_at(path: Path) -> SampleTable | None:
    with open_video(path) as (container, stream):
        index = _index(container, stream, path)
    return None if index is None else _table(index, path)  # with FFmpeg's own index gone


class _Index(NamedTuple):
    """What FFmpeg and the boxes of a file say of a track."""

    entries: np.ndarray
    tables: TrackTables
    unit_s: Fraction
    settings: DecoderSettings


def _index(container: InputContainer, stream: VideoStream, path: Path) -> _Index | None:
    codec = stream.codec_context.codec.name
    if not container.format.name.startswith("mov,mp4") or codec not in _CODECS:
        return None
    entries = entries_of(stream)
    tables = track_tables(path, track_id=stream.id, num_samples=len(entries))
    if tables is None or len(entries) != stream.frames:
        return None
    unit_s = stream.time_base or Fraction(1)
    return _Index(entries, tables, unit_s, DecoderSettings.of(stream))


def _table(index: _Index, path: Path) -> SampleTable | None:
    entries = index.entries
    there = entries["pos"] + entries["size"] <= path.stat().st_size
    whole = len(entries) if there.all() else int(there.argmin())
    entries, times = entries[:whole], (entries["time"] + index.tables.offsets)[:whole]
    keys = np.flatnonzero(entries["key"])
    if not len(keys):
        return None
    shown = ~entries["hidden"]
    shown[: keys[0]] = False  # they hang on what is no longer there, as do those shown before it
    shown &= times >= times[keys[0]]
    in_order = np.sort(times[shown])
    if (np.diff(in_order) == 0).any():
        return None
    return SampleTable(
        positions=entries["pos"].copy(),
        sizes=entries["size"].copy(),
        numbers=_numbers(times, shown),
        keys=keys.astype(np.int32),
        first_shown=np.searchsorted(in_order, times[keys]).astype(np.int32),
        times=in_order,
        unit_s=index.unit_s,
        description=index.tables.description,
        settings=index.settings,
    )


def _numbers(
    times: Int64[np.ndarray, " n"], shown: Bool[np.ndarray, " n"]
) -> Int32[np.ndarray, " n"]:
    numbers = np.full(len(times), -1, dtype=np.int32)
    places = np.flatnonzero(shown)
    numbers[places[np.argsort(times[places])]] = np.arange(len(places), dtype=np.int32)
    return numbers
