"""Frames of an MP4 by their numbers, decoded from the bytes its table points at."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from jaxtyping import Int64, UInt8

from lightning_pose.video.decode import rgb_pixels
from lightning_pose.video.found_frames import BEFORE, Found
from lightning_pose.video.h264_headers import ReferenceCounter
from lightning_pose.video.orientation import Orientation
from lightning_pose.video.sample_table import SampleTable
from lightning_pose.video.segments import DamagedError


class SampleFrames:
    """Finds frames with a decoder of its own; the table may be shared between threads.

    Args:
        path: the video.
        table: of its frames.
        orientation: how they are shown.

    Attributes:
        failures: how often a stored frame could not be decoded, or was missing.
    """

    exact = True

    def __init__(self, path: Path, table: SampleTable, orientation: Orientation) -> None:
        self._path = path
        self._table = table
        self._orientation = orientation
        self.failures = 0
        self._file: int | None = None
        self._decoder: VideoCodecContext | None = None

    @property
    def num_frames(self) -> int:
        """Return how many frames the file holds."""
        return self._table.num_frames

    def another(self) -> SampleFrames:
        """Return the same for another thread."""
        return SampleFrames(self._path, self._table, self._orientation)

    def close(self) -> None:
        """Close the file and let go of the decoder; finding frames opens them again."""
        if self._file is not None:
            os.close(self._file)
        self._file = self._decoder = None

    def find(self, start: int, count: int) -> Found:
        """Return the pictures of frames ``start`` to ``start + count - 1`` that can be decoded.

        Raises:
            OSError: the file cannot be read.
            FFmpegError: there is no decoder for it.
        """
        places = self._table.places_of(start, count)
        numbers = self._table.numbers
        reformatter = VideoReformatter()
        found = Found(count)
        before: av.VideoFrame | None = None
        for frame in self._frames(places):
            if frame.pts is None:
                continue
            row = int(numbers[frame.pts]) - start
            if 0 <= row < count:
                found[row] = self._orientation.apply(rgb_pixels(reformatter, frame))
            elif row < 0 and not found:
                before = frame
            if len(found) == count:
                break
        if 0 not in found and before is not None:
            found[BEFORE] = self._orientation.apply(rgb_pixels(reformatter, before))
        return found

    def stream(self, start: int, stop: int) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
        """Yield the pictures of frames ``start`` to ``stop - 1``, one after the other.

        Each is a view, to be copied if it is kept.

        Raises:
            DamagedError, OSError: as :meth:`whole`.
        """
        reformatter = VideoReformatter()
        for frame in self.whole(start, stop):
            yield self._orientation.apply(rgb_pixels(reformatter, frame))

    def whole(self, start: int, stop: int) -> Iterator[av.VideoFrame]:
        """Yield frames ``start`` to ``stop - 1`` as they are decoded, one after the other.

        Raises:
            DamagedError: one of them, or of those they hang on, is missing, cannot be decoded, or
                only with damage, or is of another size than the header says.
            OSError: the file cannot be read.
        """
        numbers, settings = self._table.numbers, self._table.settings
        expected, size = start, (settings.width, settings.height)
        places = self._table.places_of(start, stop - start)
        lead = int(numbers[self._table.key_before(start, int(places[0]))])
        before = self.failures
        for frame in self._frames(places):
            number = -1 if frame.pts is None else int(numbers[frame.pts])
            wanted = start <= number < stop
            if not wanted and not (lead <= number < start and frame.is_corrupt):
                continue
            is_wrong = frame.is_corrupt or self.failures > before
            if number != expected or is_wrong or (frame.width, frame.height) != size:
                raise DamagedError(f"{self._path}: frame {expected} cannot be had by its number.")
            yield frame
            expected += 1
        if expected != stop:
            raise DamagedError(f"{self._path}: frame {expected} cannot be had by its number.")

    def _frames(self, places: Int64[np.ndarray, " n"]) -> Iterator[av.VideoFrame]:
        """Yield decoded frames up to those stored at ``places``; their ``pts`` is their place.

        Of the others only what these hang on is decoded.
        """
        file, decoder = self._opened()
        settings = self._table.settings
        counter = ReferenceCounter(settings.extradata) if settings.codec == "h264" else None
        start = int(self._table.numbers[places].min())
        wanted = np.zeros(int(places[-1]) + 1, dtype=bool)
        wanted[places] = True
        for place in range(self._table.key_before(start, int(places[0])), len(wanted)):
            data = self._bytes(file, place)
            self.failures += counter is not None and counter.skips(data)
            packet = _packet(data)
            packet.pts = packet.dts = place
            decoder.skip_frame = "DEFAULT" if wanted[place] else "NONREF"
            try:
                yield from decoder.decode(packet)
            except FFmpegError:  # damaged: its frame will be missing
                self.failures += 1
        with contextlib.suppress(FFmpegError):
            yield from decoder.decode(None)

    def _opened(self) -> tuple[int, VideoCodecContext]:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY)
        if self._decoder is None:
            self._decoder = self._table.settings.decoder()
        self._decoder.flush_buffers()
        return self._file, self._decoder

    def _bytes(self, file: int, place: int) -> bytes:
        size, position = int(self._table.sizes[place]), int(self._table.positions[place])
        return os.pread(file, size, position)


def _packet(data: bytes) -> av.Packet:
    """Return data with the zeros behind it that decoders count on, as they may read beyond it."""
    packet = av.Packet(len(data))
    packet.update(data)
    return packet
