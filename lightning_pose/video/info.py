"""What a video file holds, found without decoding more than its first frame."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream
from jaxtyping import Int

from lightning_pose.contracts.errors import UnreadableError, VideoError
from lightning_pose.video.container_index import entries_of
from lightning_pose.video.ebml import lacks_bytes
from lightning_pose.video.mp4_boxes import lacks_index
from lightning_pose.video.once import once_per_file
from lightning_pose.video.orientation import UPRIGHT, Orientation

# Containers whose index names every frame; the others are known only once they have been read.
_INDEXED_FORMATS = ("mov,mp4", "avi")
_MATROSKA, _MPEG = "matroska", "mpeg"  # of the latter FFmpeg estimates where it ends
_FALLBACK_FPS = Fraction(25)
_TAGGED_END = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", re.ASCII)
_UNTAGGED, _FULL_RANGE = 2, 2  # FFmpeg's numbers
# Codecs of which FFmpeg makes the same of damaged files with any number of threads.
_ALIKE_BY_THREADS = ("ffv1", "prores")


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """A video as its header and its first frame describe it.

    Attributes:
        path: the file.
        width: pixels, as shown (after the rotation tag is applied).
        height: pixels, as shown.
        fps: average frame rate.
        num_frames: how many frames the index of the file promises, edit lists honoured; None when
            the container keeps no index (Matroska, WebM, MPEG-TS). What can really be decoded is
            known after reading (``reader.num_frames``, :func:`~lightning_pose.video.decode.
            count_frames`).
        duration_s: seconds; 0 = not stated.
        codec: FFmpeg's name of it.
        container: FFmpeg's names of the format of the file.
        pixel_format: FFmpeg's name of it.
        colour_matrix: FFmpeg's number of it; 1 = BT.709, 2 = not stated, 5 and 6 = BT.601.
        full_range: whether brightness is stored as 0..255, not 16..235.
        rotation: quarter turns to show it, in degrees clockwise (0, 90, 180, 270).
        orientation: how stored frames are to be turned and mirrored to be shown.
        variable_rate: whether frames are unevenly spaced; None = the header does not tell.
        spacing_s: the narrowest and the widest distance of frames that follow on each other, as
            the index has them; None = it does not tell.
        key_frame_gap: the most frames from one key frame to the next, or to the end, as the index
            has it; None = the container keeps none.
        hidden_frames: how many stored frames an edit list hides.
        picture_tracks: how many there are, covers not counted; one of them is read.
        coded_size: width and height of the pictures before they are cropped and turned.
        problems: what is wrong with the file as far as the index shows, one sentence each.
    """

    path: Path
    width: int
    height: int
    fps: Fraction
    num_frames: int | None
    duration_s: float
    codec: str
    pixel_format: str
    container: str = ""
    colour_matrix: int = _UNTAGGED
    full_range: bool = False
    rotation: int = 0
    orientation: Orientation = UPRIGHT
    variable_rate: bool | None = None
    spacing_s: tuple[float, float] | None = None
    key_frame_gap: int | None = None
    hidden_frames: int = 0
    picture_tracks: int = 1
    coded_size: tuple[int, int] = (0, 0)
    problems: tuple[str, ...] = ()

    @property
    def approximate_frames(self) -> int | None:
        """Return about how many frames there are, for progress bars; None if nothing tells."""
        if self.num_frames is not None:
            return self.num_frames
        return round(self.duration_s * self.fps) or None


def probe(path: Path | str) -> VideoInfo:
    """Return what the video at ``path`` holds.

    Reads the header, the index and the first frame. Of several video tracks the default one
    counts, as in players; a cover picture is no video.

    Raises:
        VideoError: the file is missing, empty, no video, cut off before its index was written, has
            only sound, or not one frame of it can be decoded.
    """
    return _probed(Path(path))


@once_per_file(kept=32)
def _probed(path: Path) -> VideoInfo:
    with open_video(path) as (container, stream):
        frame = _first_frame(path, container, stream)
        orientation = Orientation.of(frame, path)
        height, width = orientation.size(frame.height, frame.width)
        promise = _promise(container, stream, path)
        return VideoInfo(
            path=path,
            width=width,
            height=height,
            fps=(stream.average_rate or stream.guessed_rate or _FALLBACK_FPS) * promise.filled,
            num_frames=promise.num_frames,
            duration_s=_duration_s(container, stream),
            codec=stream.codec_context.codec.name,
            pixel_format=frame.format.name,
            container=container.format.name,
            colour_matrix=int(frame.colorspace),
            full_range=int(frame.color_range) == _FULL_RANGE,
            rotation=orientation.degrees,
            orientation=orientation,
            variable_rate=promise.variable_rate,
            spacing_s=promise.spacing_s,
            key_frame_gap=promise.key_frame_gap,
            hidden_frames=promise.hidden_frames,
            picture_tracks=len(_picture_tracks(container)),
            coded_size=(stream.codec_context.coded_width, stream.codec_context.coded_height),
            problems=promise.problems,
        )


@contextlib.contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the default video track of a file; closes it at the end.

    Decoding uses one thread, as with more of them FFmpeg makes other pictures of damaged files and
    tells of less damage; but as many as there are cores for codecs of which that is not so.

    Raises:
        VideoError: see :func:`probe`.
    """
    container = _open_container(path)
    with container:
        stream = _default_stream(container, path)
        stream.thread_type = "SLICE"
        stream.thread_count = 0 if stream.codec_context.name in _ALIKE_BY_THREADS else 1
        yield container, stream


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """Yield the packets of a track, the one that says that there are no more included.

    Raises:
        FFmpegError: the file is damaged, or can no longer be read.
        MemoryError: there is no room for a packet of the size that the file says.
    """
    # At the end PyAV 18 also looks up tracks that it did not know at the beginning.
    with contextlib.suppress(IndexError):
        yield from container.demux(stream)


def _open_container(path: Path) -> InputContainer:
    if path.is_dir():
        raise VideoError(f"{path} is a folder, not a video file.")
    if not path.exists():
        raise UnreadableError(f"There is no video {path}.")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes); was its recording or copy interrupted?")
    try:
        # Text in odd encodings occurs in tags; it must not keep a video from being read.
        # With its folder, or FFmpeg takes what is before a colon for a protocol.
        return av.open(str(path.absolute()), metadata_errors="replace")
    except PermissionError as error:
        raise UnreadableError(f"{path} may not be read: permission denied.") from error
    except (FFmpegError, OSError) as error:
        try:
            is_cut_off = lacks_index(path)
        except OSError as gone:
            raise UnreadableError(f"{path} cannot be read: {gone.strerror or gone}.") from gone
        if is_cut_off:
            raise VideoError(
                f"{path} is cut off: its index (the moov atom, written last) is missing, so no "
                "player can open it. Copy it again, or mend it with a tool such as untrunc."
            ) from error
        kind = UnreadableError if isinstance(error, OSError) else VideoError
        reason = error.strerror or error
        raise kind(f"{path} is not a video that FFmpeg can read ({reason}).") from error


def _picture_tracks(container: InputContainer) -> list[VideoStream]:
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def _default_stream(container: InputContainer, path: Path) -> VideoStream:
    tracks = _picture_tracks(container)
    if not tracks:
        found = "only sound" if container.streams.audio else "no picture track"
        raise VideoError(f"{path} holds {found}; a video was expected.")
    track = next((s for s in tracks if s.disposition & Disposition.default), tracks[0])
    if track.codec_context is None:
        raise VideoError(f"{path}: no decoder here knows its picture format; convert it to H.264.")
    return track


def _first_frame(path: Path, container: InputContainer, stream: VideoStream) -> av.VideoFrame:
    packets, kind = 0, VideoError
    try:
        for packet in packets_of(container, stream):
            packets += packet.size > 0
            with contextlib.suppress(FFmpegError):
                for frame in packet.decode():
                    return frame
    except (FFmpegError, OSError, MemoryError) as error:  # what is told below says enough
        kind = UnreadableError if isinstance(error, OSError) else VideoError
    name = stream.codec_context.codec.name
    if not packets:
        raise kind(f"{path} holds a {name} track without a single frame.")
    raise kind(
        f"Not one frame of {path} can be decoded, though it holds {packets} packets of {name}; "
        "the file is damaged."
    )


class _Promise(NamedTuple):
    """What the index of a container says of the frames; None = it has none."""

    num_frames: int | None = None
    variable_rate: bool | None = None
    problems: tuple[str, ...] = ()
    spacing_s: tuple[float, float] | None = None
    key_frame_gap: int | None = None
    hidden_frames: int = 0
    filled: Fraction = Fraction(1)  # part of the index's entries that are frames


def _promise(container: InputContainer, stream: VideoStream, path: Path) -> _Promise:
    if container.format.name.startswith(_MATROSKA) and lacks_bytes(path):
        return _Promise(problems=("The file ends early: its header states more bytes.",))
    if not container.format.name.startswith(_INDEXED_FORMATS) or not stream.frames:
        return _Promise()
    entries = entries_of(stream)
    steps = np.diff(entries["time"])
    uneven = bool(len(steps)) and int(steps.max() - steps.min()) > 1  # one tick is rounding
    filled = Fraction(1)
    if container.format.name == "avi" and len(entries) < stream.frames:
        if not len(steps) or entries["time"][-1] + steps.max() < stream.frames:  # it comes last
            problem = "The index at the end of the file is missing."
            return _Promise(stream.frames, uneven, (problem,))
        filled = Fraction(len(entries), stream.frames)  # the others are empty: nothing new there
    hidden = int(entries["hidden"].sum())
    unit_s = float(stream.time_base or 0)
    spacing_s = (float(steps.min() * unit_s), float(steps.max() * unit_s)) if len(steps) else None
    whole = (entries["pos"] + entries["size"] <= path.stat().st_size).all()
    problem = "The file ends early: its index names frames that are not there."
    return _Promise(
        num_frames=len(entries) - hidden,
        variable_rate=uneven,
        problems=() if whole else (problem,),
        spacing_s=spacing_s,
        key_frame_gap=_widest_gap(np.flatnonzero(entries["key"]), len(entries)),
        hidden_frames=hidden,
        filled=filled,
    )


def _widest_gap(keys: Int[np.ndarray, " k"], num_frames: int) -> int:
    """Return the most frames from one key frame to the next or to the end."""
    return int(np.diff(keys, append=num_frames).max()) if len(keys) else num_frames


def _duration_s(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return stated_end_s(container, stream) or (container.duration or 0) / av.time_base


def stated_end_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Return when a track ends as the header states, in seconds; None = it does not.

    Matroska and WebM tag each track with it; a whole file says when its longest track ends.
    """
    tagged = _TAGGED_END.fullmatch(stream.metadata.get("DURATION", ""))
    if tagged is not None and container.format.name.startswith(_MATROSKA):
        hours, minutes, seconds = tagged.groups()
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    estimated = container.format.name.startswith(_MPEG)
    if estimated or len(container.streams) > 1 or not container.duration:
        return None
    return container.duration / av.time_base
