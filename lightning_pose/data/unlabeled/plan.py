"""Which sequence of which session is drawn in which step.

All sessions are cut into windows that do not overlap, beginning at a random frame, and the
windows are shuffled: one *lap*. Steps and ranks take the windows of a lap in turn; then the next
lap is cut and shuffled anew. So a session is drawn as often as it is long, ranks never see the
same frames in a lap, and every frame of a long recording but those at its ends comes up before any
comes up again.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from lightning_pose.data.unlabeled.seeds import random_source

_LAP = 0


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One sequence: its session and the number of its first frame."""

    session: int
    start: int


class SequencePlan:
    """Says which sequence every step of every rank takes; a pure function of its arguments.

    Args:
        lengths: frames of each session.
        window: frames of a sequence.
        steps_per_epoch: sequences an epoch and rank.
        seed: of the order.
        rank: which of the processes that share the work this is.
        world_size: how many there are.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        *,
        window: int,
        steps_per_epoch: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if min(lengths, default=0) < window:
            raise ValueError(f"A session is shorter than a window of {window} frames: {lengths}.")
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self.window = window
        self.steps_per_epoch = steps_per_epoch
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self._ends: list[int] = []  # how many draws there are up to the end of each lap
        self._lap: tuple[int, Int64[np.ndarray, "n 2"]] = (-1, np.empty((0, 2), np.int64))

    def draw(self, *, epoch: int, step: int) -> Draw:
        """Return the sequence of one step.

        Args:
            epoch: from 0.
            step: from 0, within the epoch.
        """
        number = (epoch * self.steps_per_epoch + step) * self.world_size + self.rank
        while not self._ends or self._ends[-1] <= number:
            before = self._ends[-1] if self._ends else 0
            self._ends.append(before + int(self._windows_of(len(self._ends)).sum()))
        lap = bisect.bisect_right(self._ends, number)
        if self._lap[0] != lap:
            self._lap = lap, self._order(lap)
        session, start = self._lap[1][number - (self._ends[lap - 1] if lap else 0)]
        return Draw(session=int(session), start=int(start))

    def _begins(self, lap: int) -> Int64[np.ndarray, " sessions"]:
        """Return where the first window of each session begins."""
        slack = np.minimum(self.window - 1, self.lengths - self.window)
        return random_source(self.seed, _LAP, lap, 0).integers(0, slack + 1)

    def _windows_of(self, lap: int) -> Int64[np.ndarray, " sessions"]:
        return (self.lengths - self._begins(lap)) // self.window

    def _order(self, lap: int) -> Int64[np.ndarray, "n 2"]:
        """Return session and first frame of all windows of a lap, shuffled."""
        begins, numbers = self._begins(lap), self._windows_of(lap)
        sessions = np.repeat(np.arange(len(numbers)), numbers)
        firsts = np.concatenate([[0], np.cumsum(numbers)[:-1]])
        within = np.arange(len(sessions)) - firsts[sessions]
        starts = begins[sessions] + within * self.window
        windows = np.stack([sessions, starts], axis=1)
        return random_source(self.seed, _LAP, lap, 1).permutation(windows)
