"""What a video is like, what is wrong with it, and what prediction does about that.

Some of it the header tells at once. How many frames there really are, how they are spaced and
whether something is damaged is known only once every frame has been decoded; that is remembered by
the content of the file.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.contracts.errors import DataError, VideoError
from lightning_pose.video import preflight_cache
from lightning_pose.video.decode import Decoder
from lightning_pose.video.frame_count import OnFrame, times_by_all_cores
from lightning_pose.video.frame_times import FrameTimes
from lightning_pose.video.info import VideoInfo, probe
from lightning_pose.video.preflight_cache import Plain
from lightning_pose.video.video_problems import Cure, Problem, of_frames, of_header


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What was found out about a video.

    Attributes:
        path: the file.
        error: why it cannot be predicted, in one sentence; None if it can. Of a file that cannot
            be opened nothing else is known: the rest is 0, empty or None.
        counted: whether every frame has been decoded; else only the header was read.
        num_frames: frames that can be decoded; until they are counted, those that the index
            promises. None = not known.
        width: pixels, as shown.
        height: pixels, as shown.
        fps: frames a second, on average.
        duration_s: seconds, as the header states them.
        codec: FFmpeg's name of it.
        container: FFmpeg's names of the format of the file.
        pixel_format: FFmpeg's name of it.
        rotation: degrees clockwise by which frames are turned to be shown.
        variable_rate: whether frames are unevenly spaced; None = not known.
        key_frame_gap: the most frames from one key frame to the next; None = not known.
        problems: what is unusual or wrong.
    """

    path: Path
    error: str | None = None
    counted: bool = False
    num_frames: int | None = None
    width: int = 0
    height: int = 0
    fps: float = 0.0
    duration_s: float = 0.0
    codec: str = ""
    container: str = ""
    pixel_format: str = ""
    rotation: int = 0
    variable_rate: bool | None = None
    key_frame_gap: int | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def cure(self) -> Cure:
        """Return what a repaired copy takes: the most that any problem needs."""
        return max((problem.cure for problem in self.problems), default=Cure.NONE)


def preflight(
    path: Path | str, *, count: bool = True, again: bool = False, on_frame: OnFrame | None = None
) -> Preflight:
    """Return what a video is like; that it cannot be read is a finding, no error.

    Args:
        path: the video.
        count: decode every frame, unless that was done before. Otherwise only the header is read,
            and what was counted before is returned too.
        again: count though it was done before.
        on_frame: is told how many frames are counted.
    """
    path = Path(path)
    try:
        info = probe(path)
        place = preflight_cache.place_of(path)
        counted = None if again else _counted_before(place)
        if counted is None and count:
            counted = _count(path, on_frame)
            if preflight_cache.place_of(path) == place:  # it was not written to meanwhile
                preflight_cache.write(place, counted.plain())
    except (VideoError, DataError) as error:
        return Preflight(path=path, error=str(error))
    described = _described(info)
    return described if counted is None else counted.added_to(described, info)


def is_damaged_inside(path: Path) -> bool | None:
    """Tell whether not all frames can be decoded as they were recorded; None if nobody looked.

    Raises:
        DataError: the file cannot be read.
    """
    counted = _counted_before(preflight_cache.place_of(path))
    return None if counted is None else bool(counted.damage or counted.error)


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """What decoding every frame showed, whatever the name of the file."""

    times: FrameTimes
    damage: tuple[str, ...] = ()
    error: str | None = None

    def plain(self) -> Plain:
        return dataclasses.asdict(self)

    def added_to(self, described: Preflight, info: VideoInfo) -> Preflight:
        """Return what the header says, put right by what the frames say."""
        times, damage = self.times, self.damage
        if self.error is not None:
            error = self.error.format(path=info.path)
            return dataclasses.replace(described, counted=True, num_frames=None, error=error)
        timed = times.num_timed > 1 and info.container != "avi"  # there times are made up
        return dataclasses.replace(
            described,
            counted=True,
            num_frames=times.num_frames,
            fps=times.fps if timed and times.fps and not times.num_not_later else described.fps,
            variable_rate=times.uneven if timed else described.variable_rate,
            key_frame_gap=times.key_frame_gap,
            problems=of_frames(info, times, damage),
        )


def _count(path: Path, on_frame: OnFrame | None) -> _Counted:
    times = times_by_all_cores(probe(path), on_frame)
    return _count_in_order(path, on_frame) if times is None else _Counted(times=times)


def _count_in_order(path: Path, on_frame: OnFrame | None) -> _Counted:
    decoder = Decoder(path)
    times, total = FrameTimes(), decoder.info.approximate_frames
    try:
        for frame in decoder.frames():
            time_s, tick_s = decoder.time_s, frame.time_base  # None of those held back to the end
            times.add(
                None if time_s is None else float(time_s),
                is_key=frame.key_frame,
                is_interlaced=frame.interlaced_frame,
                tick_s=None if tick_s is None else float(tick_s),
            )
            if on_frame is not None:
                on_frame(times.num_frames, total)
    except VideoError as error:
        text = str(error).replace("{", "{{").replace("}", "}}")
        return _Counted(times=times, error=text.replace(str(path), "{path}"))
    return _Counted(times=times, damage=decoder.problems)


def _counted_before(place: Path) -> _Counted | None:
    """Return what is kept there of an earlier count; None if nothing, or nonsense."""
    found = preflight_cache.read(place)
    if found is None:
        return None
    try:
        times = FrameTimes(**found["times"])
        return _Counted(times=times, damage=tuple(found["damage"]), error=found["error"])
    except (KeyError, TypeError):
        return None


def _described(info: VideoInfo) -> Preflight:
    return Preflight(
        path=info.path,
        num_frames=info.num_frames,
        width=info.width,
        height=info.height,
        fps=float(info.fps),
        duration_s=info.duration_s,
        codec=info.codec,
        container=info.container,
        pixel_format=info.pixel_format,
        rotation=info.rotation,
        variable_rate=info.variable_rate,
        key_frame_gap=info.key_frame_gap,
        problems=of_header(info),
    )
