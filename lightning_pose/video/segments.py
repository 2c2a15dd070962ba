"""Parts of a long video that are read, predicted and kept one by one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from lightning_pose.contracts.errors import VideoError

SEGMENT_FRAMES = 1024  # about; half a minute of usual video, 25 s of work on two cores
_REACH = SEGMENT_FRAMES // 2


class DamagedError(VideoError):
    """A frame cannot be had by its number; read from its beginning to its end, the video can."""


@dataclass(frozen=True)
class Segment:
    """Frames ``start`` to ``stop - 1`` of a video.

    Attributes:
        start: its first frame.
        stop: the first frame after it.
        entry: whether it, and the context before it, can be decoded without any other frame; in a
            session of several views, of the first one.
    """

    start: int
    stop: int
    entry: bool = True

    def __len__(self) -> int:
        """Return how many frames it has."""
        return self.stop - self.start


def cut_into_segments(
    num_frames: int, entries: Int[np.ndarray, " m"], *, halo: int = 0
) -> tuple[Segment, ...]:
    """Return consecutive segments of about a thousand frames, which begin at entries if they can.

    With context they begin so much later that the context begins at the entry: from the entry
    itself on, all frames since the one before would have to be decoded for a few of context.
    The cuts hang on the file and the context alone, so that work taken up again goes on between
    the same ones.

    Args:
        num_frames: of the video.
        entries: frames that can be decoded without any other, in order.
        halo: frames of context before each segment.

    Example:
        >>> [part.start for part in cut_into_segments(4000, np.array([0, 900, 3000]), halo=2)]
        [0, 902, 2048, 3002]
    """
    entries = entries + halo
    cuts: list[tuple[int, bool]] = [(0, True)]
    for target in range(SEGMENT_FRAMES, num_frames - _REACH, SEGMENT_FRAMES):
        near = entries[np.searchsorted(entries, [target - _REACH, target + _REACH])[0] :]
        near = near[(near < target + _REACH) & (near > cuts[-1][0] + _REACH)]
        if len(near):
            cuts.append((int(near[np.abs(near - target).argmin()]), True))
        elif target > cuts[-1][0] + _REACH:
            cuts.append((target, False))
    stops = [start for start, _ in cuts[1:]] + [num_frames]
    return tuple(
        Segment(start, stop, entry) for (start, entry), stop in zip(cuts, stops, strict=True)
    )


def check_consecutive(segments: Sequence[Segment]) -> tuple[int, int]:
    """Return the first frame of consecutive segments and the first after them.

    Raises:
        VideoError: there are none, or they do not follow on each other.
    """
    if not segments or any(
        before.stop != after.start for before, after in itertools.pairwise(segments)
    ):
        raise VideoError("Segments to be read together must follow on each other.")
    return segments[0].start, segments[-1].stop


def batch_sizes(segments: Sequence[Segment], batch_size: int) -> Iterator[int]:
    """Yield the sizes of batches that fill one segment after the other; none is in two.

    Example:
        >>> list(batch_sizes([Segment(0, 5), Segment(5, 8)], 2))
        [2, 2, 1, 2, 1]
    """
    for segment in segments:
        whole, rest = divmod(len(segment), batch_size)
        yield from [batch_size] * whole + [rest] * bool(rest)
