"""Reading a few consecutive frames anywhere in a video, without decoding what lies before.

From the last key frame that leads to the wanted frames the file is read twice: once without
decoding, to learn their display times, and once decoding up to the last of them. Frames are told
by their time, so neither B-frames, open groups of pictures nor where a seek really lands can shift
a number. Before the wanted ones, frames on which nothing depends are passed over.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video.decode import rgb_pixels
from lightning_pose.video.frame_index import (
    REORDERED_AT_MOST,
    FrameIndex,
    TimeGrid,
    index_frames,
    shown,
)
from lightning_pose.video.info import VideoInfo, open_video, probe
from lightning_pose.video.orientation import Orientation

_BEFORE = -1  # row of the frame before a sequence
_STEPS_BACK = (0, 30, 120, 480, 1920)  # frames


class _Entry(NamedTuple):
    """Where decoding begins: the seek that leads there (None = open anew), the time found."""

    seek: int | None
    time: int


class SequenceReader:
    """Reads sequences of frames at random places; the file stays open between them.

    Memory holds one sequence, and of the file its key frames' places. Not to be used from two
    threads at once: take :meth:`another` for each.

    Where the file is damaged, a frame that cannot be decoded is replaced by the one before it
    (players freeze there), and numbers count such frames; elsewhere they are those of
    :class:`~lightning_pose.video.decode.Decoder`.

    Args:
        path: the video.

    Attributes:
        info: what the header says.
        num_frames: how many frames the file holds.
        num_replaced: how many frames were replaced so far.

    Raises:
        VideoError: see :func:`~lightning_pose.video.info.probe`.
    """

    def __init__(self, path: Path | str) -> None:
        self._begin(probe(path))
        self._index = index_frames(self._container, self._stream, self.info.path)
        self._open()

    @property
    def num_frames(self) -> int:
        """Return how many frames the file holds."""
        return self._index.num_frames

    @property
    def exact(self) -> bool:
        """Return whether numbers are certain: counted, not derived from a mean frame rate."""
        return isinstance(self._index, FrameIndex) and self._index.frames_have_times

    def another(self) -> SequenceReader:
        """Return a second reader of the file, made without looking for its frames again."""
        other = object.__new__(SequenceReader)
        other._begin(self.info)
        other._index = self._index
        return other

    def close(self) -> None:
        """Close the file."""
        self._files.close()

    def _begin(self, info: VideoInfo) -> None:
        self.info = info
        self.num_replaced = 0
        self._orientation: Orientation | None = None
        self._files = contextlib.ExitStack()
        self._open()

    def read(self, start: int, count: int) -> UInt8[np.ndarray, "count height width 3"]:
        """Return the frames ``start`` to ``start + count - 1`` as shown, RGB.

        Raises:
            VideoError: the video has no such frames, or none of them can be decoded.
        """
        if start < 0 or count < 1 or start + count > self.num_frames:
            raise VideoError(
                f"{self.info.path} has the frames 0 to {self.num_frames - 1}; {start} to "
                f"{start + count - 1} were asked for."
            )
        try:
            return self._read(start, count)
        except (FFmpegError, OSError) as error:
            self._open()
            raise VideoError(
                f"{self.info.path} cannot be read near frame {start}: {error.strerror or error}."
            ) from error

    def _read(self, start: int, count: int) -> UInt8[np.ndarray, "count height width 3"]:
        if isinstance(self._index, TimeGrid):
            entry, times = self._by_time(self._index, start, count)
        elif not self._index.frames_have_times:
            return self._counted(self._index, start, count)
        else:
            entry, times = self._by_count(self._index, start, count)
        return self._decode(self._enter(entry), times, count)

    def _by_count(self, index: FrameIndex, start: int, count: int) -> tuple[_Entry, list[int]]:
        """Return where to enter the file and the display times of the frames wanted."""
        key = index.key_before(start)
        while True:
            landed, seek, packets = self._land(index, key)
            skipped = start - int(index.places[landed])
            entry_time, times = self._display_times(packets, number=skipped + count)
            times = times[skipped:][:count]
            if landed == 0 or (times and times[0] >= entry_time):
                return _Entry(seek=seek, time=entry_time), times
            key = landed - 1  # the first frame hangs on the group before

    def _land(self, index: FrameIndex, key: int) -> tuple[int, int | None, Iterator[av.Packet]]:
        """Return the key frame reached (``key`` or one before it), by which seek, and its packets.

        A seek may lead elsewhere than asked for; what is read there tells where it is.
        """
        back = 0
        while back <= key:
            seek = index.seek_to(key - back)
            packets = self._packets(seek)
            first = next(packets, None)
            landed = None if first is None else index.key_of(first)
            if first is not None and landed is not None and landed <= key:
                return landed, seek, itertools.chain([first], packets)
            back = 2 * back + 1
        return 0, None, self._packets(None)

    def _by_time(self, grid: TimeGrid, start: int, count: int) -> tuple[_Entry, list[int]]:
        """Return the same where only the frame rate tells which frames are wanted."""
        begin = grid.stamp(start) - float(grid.step) / 2
        seeks = [grid.stamp(start - back) for back in _STEPS_BACK if back <= start]
        for seek in (*seeks, None):
            packets = self._packets(seek)
            entry_time, times = self._display_times(packets, number=count, since=begin)
            if times and entry_time <= times[0]:
                return _Entry(seek=seek, time=entry_time), times[:count]
        raise VideoError(
            f"{self.info.path} cannot be entered near frame {start}. Copy it into a container "
            "with an index: ffmpeg -i IN -c copy OUT.mp4"
        )

    def _display_times(
        self, packets: Iterator[av.Packet], *, number: int, since: int | float = -math.inf
    ) -> tuple[int, list[int]]:
        """Return the time of the first packet, and those of frames from ``since`` on, in order.

        At least the first ``number`` of them are right and complete.
        """
        entry_time = 0
        times: list[int] = []
        with contextlib.suppress(FFmpegError):  # the file ends there
            for place, packet in enumerate(packets):
                if packet.pts is None:
                    continue
                if place == 0:
                    entry_time = packet.pts
                if packet.pts >= since and shown(packet, self._codec):
                    times.append(packet.pts)
                if len(times) >= number + REORDERED_AT_MOST:
                    break
        return entry_time, sorted(times)

    def _enter(self, entry: _Entry) -> Iterator[av.Packet]:
        """Return the packets from ``entry`` on; if the seek does not lead there, by reading on."""
        packets = self._packets(entry.seek)
        first = next(packets, None)
        if first is not None and first.pts == entry.time:
            return itertools.chain([first], packets)
        return itertools.dropwhile(lambda packet: packet.pts != entry.time, self._packets(None))

    def _packets(self, seek: int | None) -> Iterator[av.Packet]:
        """Return packets from the key frame at or before ``seek`` on; None = from the first."""
        if seek is None:
            self._open()
        else:
            self._container.seek(seek, stream=self._stream)
        packets = (packet for packet in self._container.demux(self._stream) if packet.size)
        return itertools.dropwhile(lambda packet: not packet.is_keyframe, packets)

    def _decode(
        self, packets: Iterator[av.Packet], times: list[int], count: int
    ) -> UInt8[np.ndarray, "count height width 3"]:
        """Return the frames shown at ``times``; what is missing repeats the frame before it."""
        row_of = {time: row for row, time in enumerate(times)}
        reformatter = VideoReformatter()
        found: dict[int, UInt8[np.ndarray, "height width 3"]] = {}
        before: av.VideoFrame | None = None
        for frame in self._frames(packets, before=times[0]) if times else ():
            if frame.pts is None:
                continue
            if frame.pts > times[-1]:
                break
            if frame.pts in row_of:
                found[row_of[frame.pts]] = self._pixels(reformatter, frame)
            elif frame.pts < times[0]:
                before = frame
            if len(found) == len(times):
                break
        if 0 not in found and before is not None:
            found[_BEFORE] = self._pixels(reformatter, before)
        return self._filled(found, count)

    def _counted(
        self, index: FrameIndex, start: int, count: int
    ) -> UInt8[np.ndarray, "count height width 3"]:
        """Return frames counted from a key frame on, in the order the decoder gives them."""
        landed, _, packets = self._land(index, index.key_before(start))
        first = start - int(index.places[landed])
        reformatter = VideoReformatter()
        frames = itertools.islice(self._frames(packets), first, first + count)
        found = {row: self._pixels(reformatter, frame) for row, frame in enumerate(frames)}
        return self._filled(found, count)

    def _pixels(
        self, reformatter: VideoReformatter, frame: av.VideoFrame
    ) -> UInt8[np.ndarray, "height width 3"]:
        self._orientation = self._orientation or Orientation.of(frame, self.info.path)
        return self._orientation.apply(rgb_pixels(reformatter, frame))

    def _frames(
        self, packets: Iterator[av.Packet], *, before: int | float = -math.inf
    ) -> Iterator[av.VideoFrame]:
        """Yield decoded frames; of those shown ``before`` a time only what others hang on."""
        decoder = self._stream.codec_context
        try:
            for packet in packets:
                is_before = packet.pts is not None and packet.pts < before
                decoder.skip_frame = "NONREF" if is_before else "DEFAULT"
                with contextlib.suppress(FFmpegError):  # damaged: its frame will be missing
                    yield from decoder.decode(packet)
        except FFmpegError:
            pass  # the file ends here
        with contextlib.suppress(FFmpegError):
            yield from decoder.decode(None)

    def _filled(
        self, found: dict[int, UInt8[np.ndarray, "height width 3"]], count: int
    ) -> UInt8[np.ndarray, "count height width 3"]:
        if not found:
            raise VideoError(
                f"{self.info.path}: none of {count} frames asked for can be decoded; the file is "
                "damaged there."
            )
        sizes = {picture.shape for picture in found.values()}
        if sizes != {(self.info.height, self.info.width, 3)}:
            raise VideoError(
                f"{self.info.path} changes its frame size midway. Re-encode it to one size: "
                "ffmpeg -i IN -c:v libx264 OUT.mp4"
            )
        self.num_replaced += sum(row not in found for row in range(count))
        last = found[min(found)]
        frames = np.empty((count, *last.shape), dtype=np.uint8)
        for row in range(count):
            last = found.get(row, last)
            frames[row] = last
        return frames

    def _open(self) -> None:
        """Open the file at its beginning; one open before is closed."""
        self.close()
        self._container, self._stream = self._files.enter_context(open_video(self.info.path))
        self._stream.thread_count = 1  # sequences are read side by side, each by one thread
        self._codec = self._stream.codec_context.codec.name
