"""Frames by their numbers, read through FFmpeg's view of a file: of any container it can enter.

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
from lightning_pose.video.found_frames import BEFORE, Found
from lightning_pose.video.frame_index import REORDERED_AT_MOST, FrameIndex, TimeGrid, shown
from lightning_pose.video.info import open_video, packets_of
from lightning_pose.video.orientation import Orientation

_STEPS_BACK = (0, 30, 120, 480, 1920)  # frames


class _Entry(NamedTuple):
    """Where decoding begins: the seek that leads there (None = open anew), the time found."""

    seek: int | None
    time: int


class ContainerFrames:
    """Finds frames in a file that stays open in between.

    Args:
        path: the video.
        index: where its frames lie; may be shared between threads.
        orientation: how they are shown.

    Raises:
        VideoError: the file cannot be opened.
    """

    def __init__(self, path: Path, index: FrameIndex | TimeGrid, orientation: Orientation) -> None:
        self._path = path
        self._index = index
        self._orientation = orientation
        self._files = contextlib.ExitStack()
        self._open()

    @property
    def num_frames(self) -> int:
        """Return how many frames the file holds."""
        return self._index.num_frames

    @property
    def exact(self) -> bool:
        """Return whether numbers are certain: counted, not derived from a mean frame rate."""
        return isinstance(self._index, FrameIndex) and self._index.frames_have_times

    def another(self) -> ContainerFrames:
        """Return the same for another thread."""
        return ContainerFrames(self._path, self._index, self._orientation)

    def close(self) -> None:
        """Close the file."""
        self._files.close()

    def find(self, start: int, count: int) -> Found:
        """Return the pictures of frames ``start`` to ``start + count - 1`` that can be decoded.

        Raises:
            VideoError: the file cannot be entered there.
            OSError: the file cannot be read; it has been opened anew.
        """
        try:
            return self._find(start, count)
        except OSError:
            self._open()
            raise

    def _find(self, start: int, count: int) -> Found:
        if isinstance(self._index, TimeGrid):
            entry, times = self._by_time(self._index, start, count)
        elif not self._index.frames_have_times:
            return self._counted(self._index, start, count)
        else:
            entry, times = self._by_count(self._index, start, count)
        return self._decode(self._enter(entry), times, found=Found(count))

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
            f"{self._path} cannot be entered near frame {start}. Copy it into a container "
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
        packets = (packet for packet in packets_of(self._container, self._stream) if packet.size)
        return itertools.dropwhile(lambda packet: not packet.is_keyframe, packets)

    def _decode(self, packets: Iterator[av.Packet], times: list[int], *, found: Found) -> Found:
        """Return the frames shown at ``times``, and the one before if the first is missing."""
        row_of = {time: row for row, time in enumerate(times)}
        reformatter = VideoReformatter()
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
            found[BEFORE] = self._pixels(reformatter, before)
        return found

    def _counted(self, index: FrameIndex, start: int, count: int) -> Found:
        """Return frames counted from a key frame on, in the order the decoder gives them."""
        landed, _, packets = self._land(index, index.key_before(start))
        first = start - int(index.places[landed])
        reformatter = VideoReformatter()
        frames = itertools.islice(self._frames(packets), first, first + count)
        found = Found(count)
        for row, frame in enumerate(frames):
            found[row] = self._pixels(reformatter, frame)
        return found

    def _pixels(
        self, reformatter: VideoReformatter, frame: av.VideoFrame
    ) -> UInt8[np.ndarray, "height width 3"]:
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

    def _open(self) -> None:
        """Open the file at its beginning; one open before is closed."""
        self.close()
        self._container, self._stream = self._files.enter_context(open_video(self._path))
        self._stream.thread_count = 1  # sequences are read side by side, each by one thread
        self._codec = self._stream.codec_context.codec.name
