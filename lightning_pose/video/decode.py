"""Decoding a video file frame by frame, in the order and orientation in which players show it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import EOFError as EndOfFileError
from av.error import FFmpegError, InvalidDataError
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video.h264_headers import ReferenceCounter
from lightning_pose.video.info import open_video, packets_of, probe, stated_end_s
from lightning_pose.video.orientation import Orientation
from lightning_pose.video.tally import Tally, seconds

_NEW_SETTINGS = "new_extradata"  # FFmpeg's name of what a container says anew to a decoder


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One decoded frame.

    Attributes:
        pixels: RGB, 0..255, as shown; a view, to be copied if it is kept.
        time_s: when it is shown; None = the file does not say.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    time_s: Fraction | None


class Decoder:
    """Iterates over every frame of the default video track that can be decoded, once.

    The count agrees with ``ffprobe -count_frames``: edit lists are honoured, a damaged packet
    costs only the frames that hang on it. Colour follows the file's tags (BT.601 if it has none,
    as FFmpeg does), 10-bit and 4:4:4 become 8-bit RGB.

    Args:
        path: the video.

    Attributes:
        info: what the header says.
        num_frames: frames decoded so far.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.info = probe(self.path)
        self._tally = Tally()
        self._whole = False

    @property
    def num_frames(self) -> int:
        """Return how many frames have been decoded; all there are once iteration has ended."""
        return self._tally.frames

    @property
    def time_s(self) -> Fraction | None:
        """Return when the frame decoded last is shown; None = the file does not say."""
        return self._tally.last_time_s

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the file, one sentence each; complete after the last frame."""
        return self.info.problems + (self._tally.problems(self.info) if self._whole else ())

    def __iter__(self) -> Iterator[Picture]:
        """Yield the frames.

        Raises:
            VideoError: the frame size changes midway, or the file can no longer be read.
        """
        return self.pictures(range(sys.maxsize))

    def pictures(self, wanted: range) -> Iterator[Picture]:
        """Yield the frames of these numbers; those before them are decoded, but not converted.

        The first frame after them is decoded too, if there is one.

        Raises:
            VideoError: as iterating does.
        """
        reformatter = VideoReformatter()
        orientation: Orientation | None = None
        for frame in self.frames():
            number = self._tally.frames - 1
            if number >= wanted.stop:
                return
            if number not in wanted:
                continue
            orientation = orientation or Orientation.of(frame, self.path)
            pixels = orientation.apply(rgb_pixels(reformatter, frame))
            yield Picture(pixels=pixels, time_s=self.time_s)

    def frames(self) -> Iterator[av.VideoFrame]:
        """Yield the decoded frames as they are stored, without conversion to RGB."""
        self._tally, self._whole = Tally(), False
        size: tuple[int, int] | None = None
        with open_video(self.path) as (container, stream):
            for frame in _decode(container, stream, self._tally, self.path):
                size = size or (frame.width, frame.height)
                if (frame.width, frame.height) != size:
                    raise _size_changed(self.path, self._tally.frames, size, frame)
                self._tally.note(frame, stream.time_base, self.info.fps)
                yield frame
            if not stream.frames:
                begin_s = (container.start_time or 0) / av.time_base
                end_s = stated_end_s(container, stream)
                self._tally.compare_end(end_s, begin_s=begin_s, fps=self.info.fps)
        self._whole = True


def count_frames(path: Path | str) -> int:
    """Return how many frames of a video can be decoded, by decoding all of it.

    Raises:
        VideoError: the video cannot be read, or its frame size changes midway.
    """
    decoder = Decoder(path)
    return sum(1 for _ in decoder.frames())


def rgb_pixels(reformatter: VideoReformatter, frame: av.VideoFrame) -> UInt8[np.ndarray, "h w 3"]:
    """Return a view of the frame's pixels as RGB; alive as long as the view is."""
    picture = reformatter.reformat(frame, format="rgb24", threads=1)
    plane = picture.planes[0]
    data = np.frombuffer(plane, dtype=np.uint8)  # pyright: ignore[reportArgumentType, reportCallIssue]
    rows = data.reshape(picture.height, plane.line_size)
    return rows[:, : picture.width * 3].reshape(picture.height, picture.width, 3)


def _decode(
    container: InputContainer, stream: VideoStream, tally: Tally, path: Path
) -> Iterator[av.VideoFrame]:
    """Yield frames; note packets that give none, and go on after them."""
    decoder = stream.codec_context
    for packet in _packets(container, stream, tally, path):
        try:
            yield from decoder.decode(packet)
        except FFmpegError:
            tally.lost_at_s.append(float(seconds(packet.pts, packet.time_base) or 0))
    while True:  # frames the decoder holds back for reordering
        try:
            yield from decoder.decode(None)
        except EndOfFileError:
            return
        except FFmpegError:
            tally.lost_at_s.append(float(tally.last_time_s or 0))


def _packets(
    container: InputContainer, stream: VideoStream, tally: Tally, path: Path
) -> Iterator[av.Packet]:
    counter = None
    if stream.codec_context.name == "h264":
        counter = ReferenceCounter(stream.codec_context.extradata)
    try:
        for packet in packets_of(container, stream):
            if packet.size:
                shown_s = seconds(packet.pts, packet.time_base)
                if counter is not None:
                    _count_references(packet, counter, tally)
                tally.packets += not packet.is_discard
                if not tally.frames and shown_s is not None and not packet.is_discard:
                    tally.first_packet_s = min(tally.first_packet_s, float(shown_s))
                yield packet
    except InvalidDataError:
        tally.lost_at_s.append(float(tally.last_time_s or 0))
    except MemoryError as error:
        raise VideoError(
            f"{path} is damaged after frame {tally.frames}: what follows claims more memory than "
            "there is. Repair or shorten the file."
        ) from error
    except (FFmpegError, OSError) as error:
        reason = error.strerror or error
        raise VideoError(  # numbers are not to be trusted: some formats go on for a while
            f"{path} cannot be read any further after frame {tally.frames}: {reason}."
        ) from error


def _count_references(packet: av.Packet, counter: ReferenceCounter, tally: Tally) -> None:
    """Note whether frames are missing before a packet, and whether it begins one."""
    if packet.has_sidedata(_NEW_SETTINGS):
        counter.follow(bytes(packet.get_sidedata(_NEW_SETTINGS)))
    if counter.skips(bytes(packet)):
        shown_s = seconds(packet.pts, packet.time_base)
        tally.skipped_at_s.append(float(shown_s or tally.last_time_s or 0))
    tally.no_frames += not (packet.is_discard or counter.begins_frame)


def _size_changed(
    path: Path, number: int, size: tuple[int, int], frame: av.VideoFrame
) -> VideoError:
    return VideoError(
        f"{path}: frame {number} is {frame.width} x {frame.height} pixels where the video began "
        f"with {size[0]} x {size[1]}. Split it there, or re-encode it to one size: "
        "ffmpeg -i IN -c:v libx264 OUT.mp4"
    )
