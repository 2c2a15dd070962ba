"""What is unusual or wrong with a video: said in sentences, with what prediction does about it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import av

from lightning_pose.video.frame_times import FrameTimes, unevenly_spaced
from lightning_pose.video.info import VideoInfo
from lightning_pose.video.orientation import Orientation

# The usual encoders place a key frame at least every 250 frames.
_KEY_FRAME_GAP = 300
_BITS = 8

# Beginning of FFmpeg's name of a format -> what people call it, and the suffixes it goes by.
_FORMATS = {
    "mov,mp4": ("MP4 or MOV", (".mp4", ".m4v", ".mov", ".3gp")),
    "matroska": ("Matroska or WebM", (".mkv", ".webm")),
    "avi": ("AVI", (".avi",)),
    "mpegts": ("MPEG transport stream", (".ts", ".mts", ".m2ts")),
    "mpeg": ("MPEG program stream", (".mpg", ".mpeg", ".vob")),
    "asf": ("Windows Media", (".wmv", ".asf")),
    "flv": ("Flash video", (".flv",)),
}


class Cure(enum.IntEnum):
    """What it takes to write a copy without a problem; more is a larger number."""

    NONE = 0
    COPY = 1  # the compressed pictures in a new container
    ENCODE = 2  # new pictures


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something unusual or wrong.

    Attributes:
        what: was found, one sentence.
        then: what prediction does about it, one sentence.
        cure: how a copy can be made that does not have it.
    """

    what: str
    then: str
    cure: Cure


def of_header(info: VideoInfo) -> tuple[Problem, ...]:
    """Return the problems that header, index and first frame show."""
    return tuple(
        problem
        for problem in (
            _suffix(info),
            _tracks(info),
            _turned(info),
            _depth(info),
            _hidden(info),
            _uneven_by_index(info),
            _key_frames(info.key_frame_gap),
            _damage(info.problems),
        )
        if problem is not None
    )


def of_frames(info: VideoInfo, times: FrameTimes, damage: Sequence[str]) -> tuple[Problem, ...]:
    """Return the problems that are known once every frame has been decoded.

    Args:
        info: what the header says.
        times: how the decoded frames follow on each other.
        damage: what the decoder says is wrong, one sentence each.
    """
    has_times = info.container != "avi"  # there they are made up
    return tuple(
        problem
        for problem in (
            _suffix(info),
            _tracks(info),
            _turned(info),
            _depth(info),
            _hidden(info),
            _uneven(times) if has_times else None,
            _order(times) if has_times else None,
            _untimed(info, times),
            _key_frames(times.key_frame_gap),
            _interlaced(times),
            _damage(damage),
            _more_than_promised(info, times),
        )
        if problem is not None
    )


def _suffix(info: VideoInfo) -> Problem | None:
    suffix = info.path.suffix.lower()
    of_its_own = [names for begin, names in _FORMATS.items() if info.container.startswith(begin)]
    of_others = [names for _, names in _FORMATS.values() if suffix in names]
    if not of_its_own or not of_others or suffix in of_its_own[0][1]:
        return None
    return Problem(
        what=f"Its name ends in {suffix}, but its format is {of_its_own[0][0]}.",
        then="It is read as what it is.",
        cure=Cure.COPY,
    )


def _tracks(info: VideoInfo) -> Problem | None:
    if info.picture_tracks < 2:
        return None
    return Problem(
        what=f"It has {info.picture_tracks} picture tracks.",
        then="The default one is read, as in players.",
        cure=Cure.COPY,
    )


def _turned(info: VideoInfo) -> Problem | None:
    if info.orientation == Orientation():
        return None
    how = f"turned by {info.rotation} degrees clockwise" if info.rotation else "mirrored"
    return Problem(
        what=f"It is stored to be shown {how}.",
        then="Frames are turned so before they are predicted; coordinates are those of the "
        "picture that players show.",
        cure=Cure.ENCODE,
    )


def _depth(info: VideoInfo) -> Problem | None:
    bits = max(part.bits for part in av.VideoFormat(info.pixel_format).components)
    if bits <= _BITS:
        return None
    return Problem(
        what=f"Its pixels have {bits} bits a colour ({info.pixel_format}).",
        then="They are rounded to 8 bits.",
        cure=Cure.ENCODE,
    )


def _hidden(info: VideoInfo) -> Problem | None:
    if not info.hidden_frames or info.num_frames is None:
        return None
    stored = info.num_frames + info.hidden_frames
    return Problem(
        what=f"An edit list hides {info.hidden_frames} of its {stored} stored frames.",
        then="Hidden frames get no row, as players do not show them.",
        cure=Cure.ENCODE,
    )


def _uneven_by_index(info: VideoInfo) -> Problem | None:
    if not info.variable_rate or info.spacing_s is None or not unevenly_spaced(*info.spacing_s):
        return None
    return _unevenly(*info.spacing_s)


def _uneven(times: FrameTimes) -> Problem | None:
    if not times.uneven or times.num_not_later:
        return None
    return _unevenly(times.narrowest_s, times.widest_s, times.widest_after)


def _unevenly(narrowest_s: float, widest_s: float, after: int | None = None) -> Problem:
    where = "" if after is None else f", the widest gap after frame {after}"
    return Problem(
        what=f"Its frames are unevenly spaced: {_ms(narrowest_s)} to {_ms(widest_s)} ms{where}.",
        then="Rows count frames, not time; a labelled video keeps the time of each frame.",
        cure=Cure.ENCODE,
    )


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}".removesuffix(".0")


def _order(times: FrameTimes) -> Problem | None:
    if not times.num_not_later:
        return None
    return Problem(
        what=f"The time of {times.num_not_later} of its {times.num_frames} frames is not later "
        "than that of the frame before.",
        then="Every frame gets a row, in the order in which the decoder gives them.",
        cure=Cure.ENCODE,
    )


def _untimed(info: VideoInfo, times: FrameTimes) -> Problem | None:
    if times.num_timed == times.num_frames or info.container == "avi":
        return None
    untimed = times.num_frames - times.num_timed
    return Problem(
        what=f"It does not say when {untimed} of its {times.num_frames} frames are shown.",
        then=f"Rows count frames; {float(info.fps):g} frames a second are a guess.",
        cure=Cure.ENCODE,
    )


def _key_frames(gap: int | None) -> Problem | None:
    if gap is None or gap <= _KEY_FRAME_GAP:
        return None
    return Problem(
        what=f"Its key frames are up to {gap} frames apart.",
        then="Every frame is predicted; only what enters a video midway is slow: learning from "
        "it without labels, cutting out frames.",
        cure=Cure.ENCODE,
    )


def _interlaced(times: FrameTimes) -> Problem | None:
    if not times.num_interlaced:
        return None
    return Problem(
        what=f"{times.num_interlaced} of its {times.num_frames} frames are interlaced: their odd "
        "and even lines show two moments.",
        then="They are predicted as they are stored, with combs where something moves.",
        cure=Cure.NONE,
    )


def _damage(sentences: Sequence[str]) -> Problem | None:
    if not sentences:
        return None
    return Problem(
        what=" ".join(sentences),
        then="Every frame that can be decoded gets a row, the others get none.",
        cure=Cure.ENCODE,
    )


def _more_than_promised(info: VideoInfo, times: FrameTimes) -> Problem | None:
    if info.num_frames is None or times.num_frames <= info.num_frames:
        return None
    return Problem(
        what=f"Its index names {info.num_frames} frames, but {times.num_frames} can be decoded.",
        then="Every frame that can be decoded gets a row.",
        cure=Cure.ENCODE,
    )
