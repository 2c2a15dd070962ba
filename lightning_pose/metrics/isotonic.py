"""The rising map from a confidence to the probability of lying near the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from lightning_pose.contracts.errors import DataError
from lightning_pose.metrics.calibration import ScoredPoints

SHARE_OF_SIZE = 0.05
FEWEST_POINTS, FEWEST_OF_A_KIND = 50, 5


def share_of_size_px(xy_img: Float[np.ndarray, "n k 2"], share: float = SHARE_OF_SIZE) -> float:
    """Return a share of the animal's size: the median longer side of the box of its labels.

    Args:
        xy_img: labels; NaN = not labelled. Frames with fewer than two do not count.
        share: of the size.

    Raises:
        DataError: no frame has two labels.
    """
    frames = xy_img[np.isfinite(xy_img).all(axis=-1).sum(axis=1) > 1]
    if not len(frames):
        raise DataError("No frame has two labelled keypoints, so the animal's size is not known.")
    sides = np.nanmax(frames, axis=1) - np.nanmin(frames, axis=1)
    return share * float(np.median(sides.max(axis=-1)))


def isotonic_steps(points: ScoredPoints, *, within_px: float) -> tuple[list[float], list[float]]:
    """Return the corners of the rising map from confidence to the probability of being near.

    Isotonic regression (Zadrozny and Elkan, 2002) of "lies within the distance" on confidence,
    over all keypoints together; between corners the map is a line. Probabilities stay within
    1 / (points + 2) of 0 and 1, as no finite number of points makes sure.

    Args:
        points: of frames that the model did not learn from.
        within_px: the distance.

    Returns:
        Confidences, rising, and their probabilities.

    Raises:
        DataError: there are too few points, or too few on one side of the distance.
    """
    from sklearn.isotonic import (  # pyright: ignore[reportMissingTypeStubs]
        IsotonicRegression,
    )

    within: Bool[np.ndarray, " p"] = points.error_px <= within_px
    rarer = int(min(within.sum(), (~within).sum()))
    if len(points) < FEWEST_POINTS:
        raise DataError(
            f"A calibration takes {FEWEST_POINTS} labelled keypoints or more that the model did "
            f"not learn from, got {len(points)}. Validate on more frames, or name labels with "
            "--csv."
        )
    if rarer < FEWEST_OF_A_KIND:
        side = "farther from their label than" if within.mean() > 0.5 else "within"
        raise DataError(
            f"Only {rarer} of {len(points)} keypoints lie {side} {within_px:.1f} px, too few to "
            f"tell when; {FEWEST_OF_A_KIND} are needed. Choose another --within-px, or name "
            "more labels with --csv."
        )
    margin = 1 / (len(points) + 2)
    fitted: Any = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip")
    fitted.fit(points.confidence, within.astype(np.float64))
    return fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist()
