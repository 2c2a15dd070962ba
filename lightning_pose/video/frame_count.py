"""Decoding frames only to see whether they are whole, with all cores where the index allows it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from av.error import FFmpegError

from lightning_pose.video.frame_times import FrameTimes
from lightning_pose.video.info import VideoInfo
from lightning_pose.video.sample_frames import SampleFrames
from lightning_pose.video.sample_table import SampleTable, trusted_table
from lightning_pose.video.segments import DamagedError, Segment

# Is told how many frames are done, and how many there are (None = not known).
OnFrame = Callable[[int, int | None], None]
_PART = 128  # frames, at least


class SeenFrame(NamedTuple):
    """What is kept of a decoded frame."""

    key_frame: bool
    interlaced: bool


def times_by_all_cores(info: VideoInfo, on_frame: OnFrame | None = None) -> FrameTimes | None:
    """Return how the frames of a video follow on each other, once each has been decoded.

    None if there is but one core, the video is short or its index does not name every frame, or
    anything is not as it should be: only decoding from the beginning to the end tells what.

    Args:
        info: the video.
        on_frame: is told how many frames are counted.
    """
    table, cores = trusted_table(info), os.cpu_count() or 1
    parts = () if table is None or cores == 1 else _parts(table)
    if table is None or len(parts) < 2:
        return None
    times, tick_s = FrameTimes(), float(table.unit_s)
    stop = threading.Event()
    threads = ThreadPoolExecutor(min(cores, len(parts)), "litpose-count")
    try:
        for seen in threads.map(partial(decode_whole, info, table, stop=stop), parts):
            for frame in seen:
                time_s = float(int(table.times[times.num_frames]) * table.unit_s)
                times.add(
                    time_s,
                    is_key=frame.key_frame,
                    is_interlaced=frame.interlaced,
                    tick_s=tick_s,
                )
            if on_frame is not None:
                on_frame(times.num_frames, table.num_frames)
    except (DamagedError, FFmpegError, OSError):
        return None
    finally:
        stop.set()
        threads.shutdown(cancel_futures=True)
    return times


def _parts(table: SampleTable) -> Sequence[Segment]:
    """Return parts that begin at key frames; none if a frame is hidden or the first is no such."""
    if len(table.numbers) != table.num_frames or not len(table.entries) or table.entries[0]:
        return ()
    starts = [0]
    for entry in table.entries.tolist():
        if entry >= starts[-1] + _PART:
            starts.append(entry)
    return [Segment(start, stop) for start, stop in pairwise([*starts, table.num_frames])]


def decode_whole(
    info: VideoInfo, table: SampleTable, part: Segment, *, stop: threading.Event | None = None
) -> list[SeenFrame]:
    """Decode the frames of a part, in one thread.

    Args:
        info: the video.
        table: of its frames.
        part: which of them.
        stop: ends it early, once set.

    Raises:
        DamagedError: one cannot be decoded as it was recorded.
        OSError: the file cannot be read.
    """
    source = SampleFrames(info.path, table, info.orientation)
    seen = []
    try:
        for frame in source.whole(part.start, part.stop):
            seen.append(SeenFrame(bool(frame.key_frame), bool(frame.interlaced_frame)))
            if stop is not None and stop.is_set():
                break
    finally:
        source.close()
    if source.failures:
        raise DamagedError(f"{info.path}: something cannot be decoded.")
    return seen
