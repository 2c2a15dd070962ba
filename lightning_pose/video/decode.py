"""Decoding a video file frame by frame, in the order and orientation in which players show it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
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
from lightning_pose.video.info import VideoInfo, open_video, packets_of, probe, stated_end_s
from lightning_pose.video.orientation import Orientation

_NAMED_AT_MOST = 5
_TOLERATED_GAP_S, _TOLERATED_PART = 0.5, 0.05
_ONE_PACKET_A_FRAME = ("h264", "hevc")  # unless each is one of the two fields of a frame


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One decoded frame.

    Attributes:
        pixels: RGB, 0..255, as shown; a view, to be copied if it is kept.
        time_s: when it is shown; None = the file does not say.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    time_s: Fraction | None


@dataclass
class _Tally:
    """What went in and came out of the decoder so far."""

    packets: int = 0
    frames: int = 0
    lost_at_s: list[float] = field(default_factory=list)
    patched_frames: list[int] = field(default_factory=list)
    skipped_at_s: list[float] = field(default_factory=list)
    cut_at_s: float | None = None
    first_packet_s: float = math.inf
    first_frame_s: float = -math.inf
    last_time_s: Fraction | None = None
    interlaced: bool = False


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
        self._tally = _Tally()
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
        return self.info.problems + (_problems(self._tally, self.info) if self._whole else ())

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
        self._tally, self._whole = _Tally(), False
        size: tuple[int, int] | None = None
        with open_video(self.path) as (container, stream):
            for frame in _decode(container, stream, self._tally, self.path):
                size = size or (frame.width, frame.height)
                if (frame.width, frame.height) != size:
                    raise _size_changed(self.path, self._tally.frames, size, frame)
                if frame.is_corrupt:
                    self._tally.patched_frames.append(self._tally.frames)
                self._tally.interlaced |= bool(frame.interlaced_frame)
                self._tally.last_time_s = _seconds(frame.pts, stream.time_base)
                if self._tally.frames == 0 and self._tally.last_time_s is not None:
                    self._tally.first_frame_s = float(self._tally.last_time_s)
                self._tally.frames += 1
                yield frame
            if not stream.frames:
                end_s = stated_end_s(container, stream)
                self._tally.cut_at_s = _cut_at_s(container, end_s, self._tally, self.info.fps)
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
    container: InputContainer, stream: VideoStream, tally: _Tally, path: Path
) -> Iterator[av.VideoFrame]:
    """Yield frames; note packets that give none, and go on after them."""
    decoder = stream.codec_context
    for packet in _packets(container, stream, tally, path):
        try:
            yield from decoder.decode(packet)
        except FFmpegError:
            tally.lost_at_s.append(float(_seconds(packet.pts, packet.time_base) or 0))
    while True:  # frames the decoder holds back for reordering
        try:
            yield from decoder.decode(None)
        except EndOfFileError:
            return
        except FFmpegError:
            tally.lost_at_s.append(float(tally.last_time_s or 0))


def _packets(
    container: InputContainer, stream: VideoStream, tally: _Tally, path: Path
) -> Iterator[av.Packet]:
    counter = None
    if stream.codec_context.name == "h264":
        counter = ReferenceCounter(stream.codec_context.extradata)
    try:
        for packet in packets_of(container, stream):
            if packet.size:
                tally.packets += not packet.is_discard
                shown_s = _seconds(packet.pts, packet.time_base)
                if counter is not None and counter.skips(bytes(packet)):
                    tally.skipped_at_s.append(float(shown_s or tally.last_time_s or 0))
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
        raise VideoError(
            f"{path} cannot be read any further after frame {tally.frames}: {reason}."
        ) from error


def _seconds(stamp: int | None, unit_s: Fraction | None) -> Fraction | None:
    return None if stamp is None or unit_s is None else stamp * unit_s


def _cut_at_s(
    container: InputContainer, end_s: float | None, tally: _Tally, fps: Fraction
) -> float | None:
    """Return where a file without index ends, if that is well before the end its header states."""
    if not end_s or tally.last_time_s is None:
        return None
    begin = min(container.start_time or 0, 0)  # below 0 where a clock overran in between
    gap = end_s + begin / av.time_base - float(tally.last_time_s + 1 / fps)
    tolerated = min(_TOLERATED_GAP_S, _TOLERATED_PART * end_s)
    return float(tally.last_time_s) if gap > max(tolerated, 2 / fps) else None


def _problems(tally: _Tally, info: VideoInfo) -> tuple[str, ...]:
    found = []
    lost_at = f", the first near {tally.lost_at_s[0]:.2f} s" if tally.lost_at_s else ""
    promised = info.num_frames
    if promised is None and tally.lost_at_s:
        promised = tally.packets  # without an index; some codecs have packets that show nothing
    if promised is not None and tally.frames < promised:
        found.append(
            f"{promised - tally.frames} of {promised} frames could not be decoded{lost_at}; "
            "frame numbers count the decoded ones."
        )
    elif lost_at:
        found.append(f"Parts of the file could not be decoded{lost_at}.")
    elif _begins_late(tally, info):
        found.append(
            f"The first {tally.first_frame_s - tally.first_packet_s:.2f} s could not be decoded: "
            "the file begins between two key frames."
        )
    elif promised is None and _lost_in_silence(tally, info):
        found.append(
            f"{tally.packets - tally.frames} of {tally.packets} frames could not be decoded; "
            "frame numbers count the decoded ones."
        )
    if tally.patched_frames:
        named = ", ".join(str(n) for n in tally.patched_frames[:_NAMED_AT_MOST])
        more = ", ..." if len(tally.patched_frames) > _NAMED_AT_MOST else ""
        found.append(
            f"Damage was patched over by the decoder at frame {named}{more}; the frames up to the "
            "next key frame may show it too."
        )
    if tally.skipped_at_s:
        found.append(
            f"Reference frames are missing, the first near {tally.skipped_at_s[0]:.2f} s; the "
            "frames from there to the next key frame may be wrong."
        )
    if tally.cut_at_s is not None:
        found.append(
            f"The file ends early: its last frame is at {tally.cut_at_s:.2f} s of the "
            f"{info.duration_s:.2f} s its header states."
        )
    return tuple(found)


def _lost_in_silence(tally: _Tally, info: VideoInfo) -> bool:
    """Tell whether FFmpeg gave fewer frames than went in, where each packet is one."""
    one_each = info.codec in _ONE_PACKET_A_FRAME and not tally.interlaced
    return one_each and tally.frames < tally.packets


def _begins_late(tally: _Tally, info: VideoInfo) -> bool:
    return tally.first_frame_s - tally.first_packet_s > 0.5 / info.fps


def _size_changed(
    path: Path, number: int, size: tuple[int, int], frame: av.VideoFrame
) -> VideoError:
    return VideoError(
        f"{path}: frame {number} is {frame.width} x {frame.height} pixels where the video began "
        f"with {size[0]} x {size[1]}. Split it there, or re-encode it to one size: "
        "ffmpeg -i IN -c:v libx264 OUT.mp4"
    )
