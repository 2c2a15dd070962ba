"""Errors where models disagree: of the keypoints that an ensemble places far apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from lightning_pose.metrics.comparison import Runs, side_difference
from lightning_pose.metrics.differences import PairedDifference

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FEWEST_FRAMES = 5


@dataclass(frozen=True, kw_only=True)
class HardPoint:
    """The keypoints whose spread exceeds a threshold.

    Attributes:
        share: of the labelled keypoints that the threshold leaves out.
        spread_px: the threshold.
        points: how many keypoints exceed it.
        difference: of the errors of these alone.
    """

    share: float
    spread_px: float
    points: int
    difference: PairedDifference


@dataclass(frozen=True, kw_only=True)
class HardCurve:
    """Mean errors of two sides over ever harder keypoints.

    Attributes:
        models: how many the spread is over.
        points: by rising threshold; the first takes all keypoints in.
    """

    models: int
    points: tuple[HardPoint, ...]

    def as_plain(self) -> dict[str, Any]:
        """Return the numbers as plain values."""
        return dataclasses.asdict(self)


def hard_curve(
    first_px: Runs,
    second_px: Runs,
    spread_px: Float[np.ndarray, "n k"],
    *,
    images: Sequence[str],
    models: int,
) -> HardCurve:
    """Return the errors of two sides over the keypoints whose spread exceeds a threshold.

    Thresholds are the deciles of the spread of labelled keypoints; the curve ends where fewer
    than five frames are left. A frame's error is the mean over its keypoints that count.

    Args:
        first_px: errors of each model of the first side; NaN = not labelled.
        second_px: of the second, NaN at the same places.
        spread_px: of the same keypoints (:func:`ensemble_spread`).
        images: path of each row.
        models: how many the spread is over.

    Raises:
        DataError: as for :func:`~lightning_pose.metrics.comparison.compare_errors`.
    """
    labelled = np.isfinite(first_px[0])
    found: list[HardPoint] = []
    for share in SHARES:
        limit = float(np.quantile(spread_px[labelled], share)) if share else -1.0
        hard = labelled & (spread_px > limit)
        if hard.any(axis=1).sum() < FEWEST_FRAMES:
            break
        difference = side_difference(
            [np.where(hard, errors, np.nan) for errors in first_px],
            [np.where(hard, errors, np.nan) for errors in second_px],
            images,
        )
        point = HardPoint(
            share=share,
            spread_px=max(0.0, limit),
            points=int(hard.sum()),
            difference=difference,
        )
        found.append(point)
    return HardCurve(models=models, points=tuple(found))
