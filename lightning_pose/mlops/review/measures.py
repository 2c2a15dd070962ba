"""Numbers of each picture that pictures are sorted and filtered by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from lightning_pose.metrics.frame_choice import ensemble_spread, largest, mean_of
from lightning_pose.mlops.review.table import PIXEL_ERROR, ReviewTable

WRONG_SHARE = 0.02  # of the diagonal of a picture: an error as large is plainly seen
CONFIDENT = 0.9


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What is computed of the n pictures and m models of a table; NaN = not defined.

    Attributes:
        spread: of each keypoint (:func:`~lightning_pose.metrics.frame_choice.ensemble_spread`).
        mean: of each metric by its name, and of ``confidence``: mean over keypoints.
        max_error: the largest pixel error of a keypoint.
        difference: mean error of the second model minus that of the first, px, over the keypoints
            that both have; below 0 the second errs less.
        disagreement: the largest spread of a keypoint, px.
        confident_error: the largest error, px, of a prediction with confidence 0.9 or more, of
            any model.
        suspect_error: the largest distance of a label, px, from the nearest model, of keypoints
            on which the models agree better than they do with the label.
        winner: number of the model with the smallest mean error; -1 = none, or a tie.
        worst_keypoint: number of the keypoint with the largest error of a model, without labels
            with the largest spread; -1 = none.
    """

    spread: Float[np.ndarray, "n k"]
    mean: dict[str, Float[np.ndarray, "m n"]]
    max_error: Float[np.ndarray, "m n"]
    difference: Float[np.ndarray, " n"]
    disagreement: Float[np.ndarray, " n"]
    confident_error: Float[np.ndarray, " n"]
    suspect_error: Float[np.ndarray, " n"]
    winner: Int[np.ndarray, " n"]
    worst_keypoint: Int[np.ndarray, " n"]


def measure(table: ReviewTable) -> Measures:
    """Return the numbers of a table."""
    error = table.error
    spread = ensemble_spread(table.xy)
    known = ~np.isnan(error).any(0)  # of keypoints that every model can be judged by
    common = mean_of(np.where(known, error, np.nan))
    several = len(table.models) > 1
    confident = np.where(table.confidence >= CONFIDENT, error, np.nan)
    nearest = -largest(-error, 0)
    agreed = (spread < nearest / 2) & known
    worst = largest(error, 0)
    return Measures(
        spread=spread,
        mean={
            "confidence": mean_of(table.confidence),
            PIXEL_ERROR: mean_of(error),
            **{n: mean_of(values) for n, values in table.metrics.items() if n != PIXEL_ERROR},
        },
        max_error=largest(error, -1),
        difference=common[1] - common[0] if several else np.full(len(table), np.nan),
        disagreement=largest(spread, -1),
        confident_error=largest(largest(confident, -1), 0),
        suspect_error=largest(np.where(agreed, nearest, np.nan), -1),
        winner=_winner(common) if several else np.full(len(table), -1),
        worst_keypoint=_position_of_largest(
            np.where(np.isnan(worst).all(-1, keepdims=True), spread, worst)
        ),
    )


def wrong_px(sizes: Int[np.ndarray, "n 2"]) -> float:
    """Return the error in pixels from which a keypoint counts as wrong: 2 % of the diagonal.

    Args:
        sizes: height and width of the pictures; the median picture counts.
    """
    diagonals = np.hypot(sizes[:, 0], sizes[:, 1])
    return round(WRONG_SHARE * float(np.median(diagonals)), 1)


def _winner(error: Float[np.ndarray, "m n"]) -> Int[np.ndarray, " n"]:
    least = -largest(-error, 0)
    is_least = error == least
    return np.where(is_least.sum(0) == 1, is_least.argmax(0), -1)


def _position_of_largest(values: Float[np.ndarray, "n k"]) -> Int[np.ndarray, " n"]:
    known = ~np.isnan(values)
    return np.where(known.any(-1), np.where(known, values, -np.inf).argmax(-1), -1)
