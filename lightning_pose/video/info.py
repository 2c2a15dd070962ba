"""What a video file holds, found without decoding more than its first frame."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video.mp4_boxes import boxes
from lightning_pose.video.orientation import Orientation

# Containers whose index names every frame; the others are known only once they have been read.
_INDEXED_FORMATS = ("mov,mp4", "avi")
_FALLBACK_FPS = Fraction(25)
_UPRIGHT = Orientation()


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
        pixel_format: FFmpeg's name of it.
        rotation: quarter turns to show it, in degrees clockwise (0, 90, 180, 270).
        orientation: how stored frames are to be turned and mirrored to be shown.
        variable_rate: whether frames are unevenly spaced; None = the header does not tell.
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
    rotation: int = 0
    orientation: Orientation = _UPRIGHT
    variable_rate: bool | None = None
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
    path = Path(path)
    with open_video(path) as (container, stream):
        frame = _first_frame(path, container, stream)
        orientation = Orientation.of(frame, path)
        height, width = orientation.size(frame.height, frame.width)
        promised, problems = _promised_frames(container, stream, path)
        return VideoInfo(
            path=path,
            width=width,
            height=height,
            fps=stream.average_rate or stream.guessed_rate or _FALLBACK_FPS,
            num_frames=promised,
            duration_s=_duration_s(container, stream),
            codec=stream.codec_context.codec.name,
            pixel_format=frame.format.name,
            rotation=orientation.degrees,
            orientation=orientation,
            variable_rate=_variable_rate(stream, promised),
            problems=problems,
        )


@contextlib.contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the default video track of a file; closes it at the end.

    Decoding uses threads inside a frame only: with threads across frames FFmpeg loses the last
    frames of a damaged file.

    Raises:
        VideoError: see :func:`probe`.
    """
    container = _open_container(path)
    with container:
        stream = _default_stream(container, path)
        stream.thread_type = "SLICE"
        stream.thread_count = 0
        yield container, stream


def _open_container(path: Path) -> InputContainer:
    if path.is_dir():
        raise VideoError(f"{path} is a folder, not a video file.")
    if not path.exists():
        raise VideoError(f"There is no video {path}.")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes); was its recording or copy interrupted?")
    try:
        # Text in odd encodings occurs in tags; it must not keep a video from being read.
        return av.open(str(path), metadata_errors="replace")
    except PermissionError as error:
        raise VideoError(f"{path} may not be read: permission denied.") from error
    except (FFmpegError, OSError) as error:
        if _mp4_without_index(path):
            raise VideoError(
                f"{path} is cut off: its index (the moov atom, written last) is missing, so no "
                "player can open it. Copy it again, or mend it with a tool such as untrunc."
            ) from error
        raise VideoError(
            f"{path} is not a video that FFmpeg can read ({error.strerror or error})."
        ) from error


def _default_stream(container: InputContainer, path: Path) -> VideoStream:
    cover = Disposition.attached_pic
    tracks = [s for s in container.streams.video if not s.disposition & cover]
    if not tracks:
        found = "only sound" if container.streams.audio else "no picture track"
        raise VideoError(f"{path} holds {found}; a video was expected.")
    default = Disposition.default
    track = next((s for s in tracks if s.disposition & default), tracks[0])
    if track.codec_context is None:
        raise VideoError(f"{path}: no decoder here knows its picture format; convert it to H.264.")
    return track


def _first_frame(path: Path, container: InputContainer, stream: VideoStream) -> av.VideoFrame:
    packets = 0
    for packet in container.demux(stream):
        packets += packet.size > 0
        with contextlib.suppress(FFmpegError):
            for frame in packet.decode():
                return frame
    name = stream.codec_context.codec.name
    if not packets:
        raise VideoError(f"{path} holds a {name} track without a single frame.")
    raise VideoError(
        f"Not one frame of {path} can be decoded, though it holds {packets} packets of {name}; "
        "the file is damaged."
    )


def _promised_frames(
    container: InputContainer, stream: VideoStream, path: Path
) -> tuple[int | None, tuple[str, ...]]:
    """Return how many frames the index names, and what is wrong with it."""
    if not container.format.name.startswith(_INDEXED_FORMATS) or not stream.frames:
        return None, ()
    entries = stream.index_entries
    if container.format.name == "avi" and len(entries) < stream.frames:  # its index comes last
        return stream.frames, ("The index at the end of the file is missing.",)
    shown = sum(not entry.is_discard for entry in entries)
    file_size = path.stat().st_size
    beyond = any(entry.pos + entry.size > file_size for entry in entries)
    if not beyond:
        return shown, ()
    return shown, ("The file ends early: its index names frames that are not there.",)


def _variable_rate(stream: VideoStream, promised: int | None) -> bool | None:
    if promised is None:
        return None
    stamps = (entry.timestamp for entry in stream.index_entries)
    steps = {after - before for before, after in itertools.pairwise(stamps)}
    return bool(steps) and max(steps) - min(steps) > 1  # one tick is rounding


def _duration_s(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base


def _mp4_without_index(path: Path) -> bool:
    """Tell whether the file is an MP4 or MOV whose ``moov`` box is missing or cut off."""
    size = path.stat().st_size
    with path.open("rb") as file:
        found = list(boxes(file, 0, size))
    if not found or found[0].kind not in (b"ftyp", b"mdat", b"wide", b"skip", b"free"):
        return False
    return not any(box.kind == b"moov" and box.end <= size for box in found)
