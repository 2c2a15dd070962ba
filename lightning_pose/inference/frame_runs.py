"""Frames that lie one after the other in a file of rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """Frames ``start`` to ``stop - 1``, of which the first is row ``row`` of the file."""

    start: int
    stop: int
    row: int


def first_missing(runs: Sequence[Run], num_frames: int, *, most: int = 5) -> list[int]:
    """Return the first frames of a video that are in none of the runs, which are in order."""
    ends = [0, *(run.stop for run in runs)]
    starts = [*(run.start for run in runs), num_frames]
    gaps = itertools.chain.from_iterable(map(range, ends, starts))
    return list(itertools.islice(gaps, most))
