"""Where the frames of a video lie, so that any of them is found without decoding all before it.

Frames are numbered in display order from 0, as :class:`~lightning_pose.video.decode.Decoder`
counts them. A key frame and what is stored after it have display numbers that follow on from
``places``: the number of shown frames stored before it. (Whatever is stored before a key frame is
shown before what is stored after it; of the latter, an open group shows some frames before the key
frame itself, which changes nothing in the count.)
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from jaxtyping import Int64

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video.info import packets_of
from lightning_pose.video.sample_table import SampleTable, sample_table

# Without an index in its container a file is read through once, up to this size (about a second a
# gigabyte); beyond, frames are found by their time.
SCANNED_BYTES_AT_MOST = 2**30

# Packets after a frame's own that may hold a frame shown before it (H.264 allows 16).
REORDERED_AT_MOST = 20

_LATE = 2**48  # in units of any stream: years

# Whether a stored frame is ever shown, for codecs that keep hidden ones as packets of their own.
_SHOWN: dict[str, Callable[[av.Packet], bool]] = {
    "vp8": lambda packet: bool(bytes(packet)[0] & 16)
}


@dataclass(frozen=True, kw_only=True)
class FrameIndex:
    """Which frames can be entered at.

    Attributes:
        num_frames: frames that are shown and whole: those cut off at the end of the file and
            those that hang on what lies before its first key frame do not count.
        stamps: of each key frame, in units of the stream: its decoding time if ``by_decoding``,
            else its display time.
        places: display number of the first frame shown of those stored from each key frame on.
        by_decoding: which of the times ``stamps`` holds.
        frames_have_times: whether decoded frames can be told by their times. AVI holds none, and
            those made up for H.264 with B-frames are wrong: there frames are counted from the key
            frame on, which is exact if its groups of pictures are closed.
    """

    num_frames: int
    stamps: Int64[np.ndarray, " m"]
    places: Int64[np.ndarray, " m"]
    by_decoding: bool
    frames_have_times: bool = True

    def stamp_of(self, packet: av.Packet) -> int | None:
        """Return the time of ``packet`` that is to be compared with ``stamps``."""
        return packet.dts if self.by_decoding else packet.pts

    def key_of(self, packet: av.Packet) -> int | None:
        """Return which key frame ``packet`` is; None = none of them."""
        stamp = self.stamp_of(packet)
        if stamp is None or not packet.is_keyframe:
            return None
        found = np.flatnonzero(self.stamps == stamp)
        return int(found[0]) if len(found) == 1 else None

    def seek_to(self, key: int) -> int:
        """Return the time to seek to so as to land on a key frame.

        Where ``stamps`` are decoding times a demuxer may still compare display times, so the last
        moment before the next key frame is asked for.
        """
        if not self.by_decoding:
            return int(self.stamps[key])
        return int(self.stamps[key + 1]) - 1 if key + 1 < len(self.stamps) else _LATE

    def key_before(self, number: int) -> int:
        """Return the last key frame from which frame ``number`` may be reached."""
        return max(int(np.searchsorted(self.places, number, side="right")) - 1, 0)


@dataclass(frozen=True, kw_only=True)
class TimeGrid:
    """Frame numbers from times, for long files without an index.

    Exact if the frame rate is constant; otherwise a number is a time in units of the mean frame
    distance. Frames read together are consecutive in any case.

    Attributes:
        num_frames: duration times mean rate.
        first_stamp: display time of the first frame, in units of the stream.
        step: mean distance of frames in the same unit.
    """

    num_frames: int
    first_stamp: int
    step: Fraction

    def stamp(self, number: int) -> int:
        """Return the display time of a frame."""
        return self.first_stamp + round(number * self.step)


def shown(packet: av.Packet, codec: str) -> bool:
    """Tell whether the frame in ``packet`` is shown: not outside an edit list, not hidden."""
    is_shown = _SHOWN.get(codec)
    return not packet.is_discard and (is_shown is None or is_shown(packet))


def index_frames(
    container: InputContainer, stream: VideoStream, path: Path
) -> SampleTable | FrameIndex | TimeGrid:
    """Return the index of a freshly opened file; moves its reading position.

    MP4, MOV and AVI hold one in their header; of plain MP4 and MOV files it is a table of all
    frames, with which the file need not stay open. Others are read through once, without decoding,
    if they are no larger than ``SCANNED_BYTES_AT_MOST``.

    Raises:
        VideoError: frames cannot be told by their times, or the file is too long to be read
            through and does not say how long it is.
    """
    table = sample_table(container, stream, path)
    if table is not None:
        return table
    keys = _keys_in_header(container, stream, path)
    first_stamp, lead = _beginning(container, stream, path)
    if keys is None and path.stat().st_size > SCANNED_BYTES_AT_MOST:
        return _from_times(container, stream, path, first_stamp)
    if keys is None:
        container.seek(0)
        keys = _keys_in_packets(container, stream)
        if keys.stamps != sorted(set(keys.stamps)):
            raise VideoError(
                f"{path}: the times of its frames jump back midway, as in files joined without "
                "care. Re-encode it: ffmpeg -i IN -c:v libx264 OUT.mp4"
            )
    return FrameIndex(
        num_frames=keys.num_shown - lead,
        stamps=np.asarray(keys.stamps, dtype=np.int64),
        places=np.asarray(keys.places, dtype=np.int64) - lead,
        by_decoding=keys.by_decoding,
        frames_have_times=_have_times(container, stream),
    )


@dataclass
class _Keys:
    """Key frames as they are stored: their times, and the number of shown frames before each."""

    by_decoding: bool
    stamps: list[int] = field(default_factory=list[int])
    places: list[int] = field(default_factory=list[int])
    num_shown: int = 0


def _keys_in_header(container: InputContainer, stream: VideoStream, path: Path) -> _Keys | None:
    """Return what the index in the header says; None if there is none, or not of all frames."""
    entries = stream.index_entries
    is_avi = container.format.name == "avi"  # its index comes last, and may be cut off
    if not stream.frames or (is_avi and len(entries) < stream.frames):
        return None
    file_size = path.stat().st_size
    keys = _Keys(by_decoding=True)
    for entry in entries:
        if entry.pos + entry.size > file_size:  # cut off
            break
        if entry.is_keyframe:
            keys.stamps.append(entry.timestamp)
            keys.places.append(keys.num_shown)
        keys.num_shown += bool(keys.stamps) and not entry.is_discard
    return keys if keys.stamps else None


def _keys_in_packets(container: InputContainer, stream: VideoStream) -> _Keys:
    keys = _Keys(by_decoding=False)
    codec = stream.codec_context.codec.name
    with contextlib.suppress(FFmpegError):  # the file ends there: what was found can be read
        for packet in packets_of(container, stream):
            if packet.size and packet.is_keyframe and packet.pts is not None:
                keys.stamps.append(packet.pts)
                keys.places.append(keys.num_shown)
            keys.num_shown += bool(keys.stamps) and packet.size > 0 and shown(packet, codec)
    return keys


def _beginning(container: InputContainer, stream: VideoStream, path: Path) -> tuple[int, int]:
    """Return the time of the first frame, and how many are stored but cannot be decoded before.

    Frames stored after the first key frame but shown before it hang on what is no longer there: a
    recording cut between two key frames begins so.

    Raises:
        VideoError: frames have no display times.
    """
    packets = (packet for packet in packets_of(container, stream) if packet.size)
    begin = list(itertools.islice(packets, REORDERED_AT_MOST))
    if any(packet.pts is None for packet in begin):
        raise VideoError(
            f"{path} holds no display times, so it cannot be entered midway. Copy it into a "
            "container that does: ffmpeg -i IN -c copy OUT.mp4"
        )
    after_key = list(itertools.dropwhile(lambda packet: not packet.is_keyframe, begin))
    times = [packet.pts or 0 for packet in after_key if not packet.is_discard]
    key_time = after_key[0].pts or 0 if after_key else 0
    from_key = [time for time in times if time >= key_time]
    return min(from_key, default=key_time), len(times) - len(from_key)


def _have_times(container: InputContainer, stream: VideoStream) -> bool:
    """Tell whether display times of decoded frames grow, as they must; only AVI is in doubt."""
    if container.format.name != "avi":
        return True
    container.seek(0)
    with contextlib.suppress(FFmpegError):
        frames = (frame for packet in packets_of(container, stream) for frame in packet.decode())
        begin = itertools.islice(frames, REORDERED_AT_MOST)
        times = [frame.pts for frame in begin if frame.pts is not None]
        return times == sorted(times)
    return True


def _from_times(
    container: InputContainer, stream: VideoStream, path: Path, first_stamp: int
) -> TimeGrid:
    rate, unit_s = stream.average_rate or stream.guessed_rate, stream.time_base
    duration_s = Fraction(container.duration or 0, av.time_base)
    if not rate or not unit_s or not duration_s:
        raise VideoError(
            f"{path} does not say how long it is, and is too large to be read through. Copy it "
            "into a container with an index: ffmpeg -i IN -c copy OUT.mp4"
        )
    container.seek(first_stamp + round(duration_s / unit_s), stream=stream)
    last_stamp = first_stamp
    with contextlib.suppress(FFmpegError):  # the file is cut off there
        for packet in packets_of(container, stream):
            last_stamp = max(last_stamp, packet.pts or last_stamp)
    step = 1 / (rate * unit_s)
    num_frames = round((last_stamp - first_stamp) / step) + 1
    return TimeGrid(num_frames=num_frames, first_stamp=first_stamp, step=step)
