"""By how much the errors of two models, or of two configurations, differ on the same frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lightning_pose.contracts.errors import DataError
from lightning_pose.metrics.dependence import MovingBlocks, Sessions, interval_over, pieces_of

FEWEST_RUNS = 3


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The errors of two sides on the same frames, and the test of their difference.

    A side is one trained model, or several runs of one configuration.

    Attributes:
        first_px: mean error of the first side; a frame's error is the mean over its labelled
            keypoints, and frames (and runs) count alike.
        second_px: of the second.
        difference_px: second minus first; negative = the second is better.
        low_px: lower end of its 95 % interval; -inf if too few sessions tell nothing.
        high_px: upper end.
        p_value: of the two-sided t-test that there is no difference.
        degrees: degrees of freedom of the t.
        frames: how many were compared.
        sessions: of how many sessions they are.
        block: frames in a moving block, the independent pieces of a single session; 0 = the
            pieces are sessions.
        first_runs: models of the first side. One = the claim is of these two trained models;
            several = it is of configurations, and seeds are resampled as sessions are.
        second_runs: of the second side.
    """

    first_px: float
    second_px: float
    difference_px: float
    low_px: float
    high_px: float
    p_value: float
    degrees: float
    frames: int
    sessions: int
    block: int = 0
    first_runs: int = 1
    second_runs: int = 1

    @property
    def of_configurations(self) -> bool:
        """Return whether the claim is of configurations rather than of two trained models."""
        return self.first_runs > 1

    @property
    def bounded(self) -> bool:
        """Return whether there is an interval: not of two sessions with the same difference."""
        return math.isfinite(self.low_px)

    @property
    def shown(self) -> bool:
        """Return whether the interval leaves 0 out."""
        return not self.low_px <= 0 <= self.high_px

    def pieces(self) -> str:
        """Return in words what was resampled."""
        runs = (
            f"{self.first_runs} and {self.second_runs} seeds, " if self.of_configurations else ""
        )
        if self.block:
            length = f"{self.block} frames" if self.block > 1 else "1 frame"
            return f"{runs}one session in moving blocks of {length}, of that session alone"
        return f"{runs}{self.sessions} sessions"


def paired_difference(
    first_px: Float[np.ndarray, "n k"],
    second_px: Float[np.ndarray, "n k"],
    images: Sequence[str],
) -> PairedDifference:
    """Return how much the second model's errors differ from the first's on the same frames.

    Frames of a session (a folder of images) are alike, so sessions are the independent pieces, or
    blocks of frames if there is one session alone (:mod:`~lightning_pose.metrics.dependence`).
    The claim is of these two trained models: with other seeds they would have come out otherwise.

    Args:
        first_px: errors of the first model; NaN = not labelled.
        second_px: of the second, NaN at the same places.
        images: path of each row.

    Raises:
        DataError: a model did not place a labelled keypoint, or fewer than two frames have labels.

    Example:
        >>> errors = np.array([[2.0], [4.0], [3.0], [5.0]])
        >>> lower = errors - [[1.0], [1.2], [0.9], [0.9]]
        >>> found = paired_difference(errors, lower, ["a/1.png", "a/2.png", "b/1.png", "b/2.png"])
        >>> f"{found.difference_px:.2f} px, {found.low_px:.2f} to {found.high_px:.2f}"
        '-1.00 px, -2.27 to 0.27'
    """
    first, second, kept = _frame_errors([first_px], [second_px], images)
    pieces = pieces_of(kept)
    variance = pieces.variance((second - first)[0])
    return _difference(first, second, pieces, variance, pieces.degrees)


def configuration_difference(
    first_px: Sequence[Float[np.ndarray, "n k"]],
    second_px: Sequence[Float[np.ndarray, "n k"]],
    images: Sequence[str],
) -> PairedDifference:
    """Return how much the errors of a second configuration differ from those of a first.

    Runs (seeds) and sessions are both resampled. With S the variance that sessions give to the
    difference of the sides' means, R_a and R_b that of runs, and I what the two share (how
    differently the runs of a side do in each session, which S and R both hold), the variance is
    S + R_a + R_b - I (crossed random effects; Cameron, Gelbach and Miller, 2011), and no less
    than half of S + R_a + R_b, as must be: I is in both. Degrees of freedom are Satterthwaite's.

    Args:
        first_px: errors of each run of the first configuration; NaN = not labelled.
        second_px: of the second, all with NaN at the same places.
        images: path of each row.

    Raises:
        DataError: a side has fewer than three runs; else as :func:`paired_difference`.
    """
    counts = len(first_px), len(second_px)
    if min(counts) < FEWEST_RUNS:
        raise DataError(
            f"Whether a configuration is better takes {FEWEST_RUNS} runs a side or more, with "
            f"different seeds; got {counts[0]} and {counts[1]}. Two trained models are compared "
            "by naming two."
        )
    first, second, kept = _frame_errors(first_px, second_px, images)
    pieces = pieces_of(kept)
    of_sessions = pieces.variance(second.mean(axis=0) - first.mean(axis=0))
    of_runs = [float(side.mean(axis=1).var(ddof=1)) / len(side) for side in (first, second)]
    total = of_sessions + sum(of_runs)
    shared = _shared(first, pieces) + _shared(second, pieces)
    squares = of_sessions**2 / pieces.degrees + sum(
        part**2 / (runs - 1) for part, runs in zip(of_runs, counts, strict=True)
    )
    degrees = total**2 / squares if squares else 1.0
    return _difference(first, second, pieces, max(total - shared, total / 2), degrees)


def _shared(errors: Float[np.ndarray, "r n"], pieces: Sessions | MovingBlocks) -> float:
    """Return the variance that runs doing differently in each session give to a side's mean."""
    runs = len(errors)
    left = errors - errors.mean(axis=0) - errors.mean(axis=1, keepdims=True) + errors.mean()
    return sum(pieces.variance(run) for run in left) / (runs * (runs - 1))


def _frame_errors(
    first_px: Sequence[Float[np.ndarray, "n k"]],
    second_px: Sequence[Float[np.ndarray, "n k"]],
    images: Sequence[str],
) -> tuple[Float[np.ndarray, "r m"], Float[np.ndarray, "s m"], list[str]]:
    """Return the mean error of each labelled frame for every run of each side, and its path."""
    every = [*first_px, *second_px]
    labelled: Bool[np.ndarray, "n k"] = np.isfinite(every[0])
    if any((np.isfinite(one) != labelled).any() for one in every):
        raise DataError("One of the models places keypoints that the other leaves out.")
    rows = np.flatnonzero(labelled.any(axis=1))
    if len(rows) < 2:
        raise DataError(
            f"Two models are compared on two labelled frames or more, got {len(rows)}."
        )
    first, second = (
        np.stack([np.nanmean(errors[rows], axis=1, dtype=np.float64) for errors in side])
        for side in (first_px, second_px)
    )
    return first, second, [images[int(row)] for row in rows]


def _difference(
    first: Float[np.ndarray, "r m"],
    second: Float[np.ndarray, "s m"],
    pieces: Sessions | MovingBlocks,
    variance: float,
    degrees: float,
) -> PairedDifference:
    mean = float(second.mean() - first.mean())
    low, high, p_value = interval_over(pieces, mean, variance, degrees)
    by_session = isinstance(pieces, Sessions)
    return PairedDifference(
        first_px=float(first.mean()),
        second_px=float(second.mean()),
        difference_px=mean,
        low_px=low,
        high_px=high,
        p_value=p_value,
        degrees=degrees,
        frames=first.shape[1],
        sessions=pieces.count if by_session else 1,
        block=0 if by_session else pieces.length,
        first_runs=len(first),
        second_runs=len(second),
    )
