"""Several trackers' predictions of one video as one: their median, smoothed over time.

The ensemble Kalman smoother of Biderman, Whiteway et al. (Nature Methods 2024): each keypoint
walks at random and is seen at the members' median, the less exactly the more they disagree.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.predictions import COORDS as PLAIN_COORDS
from lightning_pose.contracts.predictions import SCORER, Predictions
from lightning_pose.contracts.table_files import write_table
from lightning_pose.inference.random_walk import Walk, likeliest_step_variance

COORDS = (
    *PLAIN_COORDS,
    "x_ens_median",
    "y_ens_median",
    "x_ens_var",
    "y_ens_var",
    "x_posterior_var",
    "y_posterior_var",
)
_LEAST_VARIANCE = 1e-4  # px^2; members may agree to the last digit and still be wrong
_LEAST_CONFIDENCE = 1e-3
_ALONE = 90.0  # percentile


@dataclass(frozen=True, kw_only=True)
class Smoothed:
    """Predictions and what they were smoothed from.

    Attributes:
        predictions: the posterior mean, and the mean confidence of the members.
        median_img: of the members, in pixels; NaN = no member has the point.
        ensemble_variance: of the members divided by their mean confidence, in px^2; NaN = fewer
            than two members have the point.
        posterior_variance: of the posterior mean, in px^2.
    """

    predictions: Predictions
    median_img: Float[np.ndarray, "n k 2"]
    ensemble_variance: Float[np.ndarray, "n k 2"]
    posterior_variance: Float[np.ndarray, "n k 2"]

    def to_frame(self) -> pd.DataFrame:
        """Return the table with the three-level header and nine columns a keypoint."""
        plain = self.predictions.to_frame()
        parts = (
            self.predictions.xy_img,
            self.predictions.confidence[..., None],
            self.median_img,
            self.ensemble_variance,
            self.posterior_variance,
        )
        return pd.DataFrame(
            np.concatenate(parts, axis=-1).reshape(len(plain), -1),
            index=plain.index,
            columns=pd.MultiIndex.from_product(
                [[SCORER], self.predictions.keypoint_names, COORDS], names=plain.columns.names
            ),
        )

    def write(self, path: Path) -> Path:
        """Write csv, h5 or parquet; return ``path``.

        :meth:`Predictions.read <lightning_pose.contracts.predictions.Predictions.read>` reads the
        posterior mean back.

        Raises:
            WriteError: the file cannot be written.
        """
        return write_table(self.to_frame(), path)


Smoother = Callable[[Sequence[Predictions]], Smoothed]


def smooth_ensemble(members: Sequence[Predictions]) -> Smoothed:
    """Return the smoothed ensemble of the members' predictions of one video.

    A keypoint's median is observed with the members' variance, divided by their mean confidence,
    as noise. How far it moves from frame to frame is what makes the observations likeliest, with
    the middle of their variances for all of them. Where no member has the point, it is bridged:
    its confidence is 0 and its variance grows with the distance from the next frame that shows it.
    A point that one member alone has counts as one of the keypoint's most doubtful tenth.

    Raises:
        DataError: see :func:`check_members`.
    """
    plain = combined(members)
    xy, variance = plain.median_img.copy(), np.full_like(plain.median_img, np.nan)
    for k in range(xy.shape[1]):
        if np.isfinite(plain.median_img[:, k]).all(-1).any():
            xy[:, k], variance[:, k] = _smoothed(
                plain.median_img[:, k], plain.ensemble_variance[:, k]
            )
    return replace(
        plain,
        predictions=replace(plain.predictions, xy_img=xy),
        posterior_variance=variance,
    )


def combined(members: Sequence[Predictions]) -> Smoothed:
    """Return the members' median, not smoothed yet: posterior variances are NaN.

    Raises:
        DataError: see :func:`check_members`.
    """
    check_members(members)
    xy = np.stack([member.xy_img for member in members]).astype(np.float64)
    confidence = np.stack([member.confidence for member in members])
    confidence = np.where(np.isfinite(xy).all(-1), confidence, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # points that no member has
        median, variance = np.nanmedian(xy, axis=0), np.nanvar(xy, axis=0)
        mean_confidence = np.nanmean(confidence, axis=0)
    having = np.isfinite(xy).all(-1).sum(axis=0)
    weight = np.clip(np.nan_to_num(mean_confidence, nan=1.0), _LEAST_CONFIDENCE, None)
    return Smoothed(
        predictions=replace(
            members[0],
            xy_img=median,
            confidence=np.where(having == 0, 0.0, mean_confidence),
            run_id="",
        ),
        median_img=median,
        ensemble_variance=np.where(having[..., None] < 2, np.nan, variance / weight[..., None]),
        posterior_variance=np.full_like(median, np.nan),
    )


def check_members(members: Sequence[Predictions]) -> None:
    """Check that the members are predictions of the same keypoints in the same frames of a video.

    Raises:
        DataError: they are not, or there are fewer than two; says what differs and where.
    """
    if len(members) < 2:
        raise DataError(
            "An ensemble needs the predictions of at least two models, better five: train the "
            "same configuration with other seeds (training.rng_seed_model_pt)."
        )
    first = members[0]
    for member in members:
        if member.images:
            raise DataError(
                f"{member.source} holds predictions of labelled images, which do not follow one "
                "another in time; only predictions of videos can be smoothed."
            )
        if member.keypoint_names != first.keypoint_names:
            raise DataError(
                f"{member.source} has the keypoints {', '.join(member.keypoint_names)}, but "
                f"{first.source} has {', '.join(first.keypoint_names)}; members need the same."
            )
        if not np.array_equal(member.frame_ids, first.frame_ids):
            raise DataError(
                f"{member.source} has {len(member)} frames and {first.source} has {len(first)}, "
                "or they are numbered differently; were they made from the same video?"
            )
    if not len(first):
        raise DataError(f"{first.source} holds no frame.")


def _smoothed(
    median: Float[np.ndarray, "n 2"], variance: Float[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
    """Return posterior mean and variance of a keypoint that at least one frame shows."""
    seen = np.isfinite(median)
    alone = [np.nanpercentile(v, _ALONE) if np.isfinite(v).any() else 1.0 for v in variance.T]
    noise = np.clip(np.where(np.isfinite(variance), variance, alone), _LEAST_VARIANCE, None)
    middle = np.nanmedian(np.where(seen, noise, np.nan), axis=0)
    mean = np.nanmean(median, axis=0)
    spread = np.clip(np.nanvar(median, axis=0), _LEAST_VARIANCE, None)
    walks = [
        Walk(values=median[:, i] - mean[i], noise=noise[:, i], start_variance=float(spread[i]))
        for i in (0, 1)
    ]
    even = [replace(w, noise=np.full_like(w.noise, middle[i])) for i, w in enumerate(walks)]
    step_variance = likeliest_step_variance(even)
    found = [walk.smoothed(step_variance) for walk in walks]
    return (
        np.stack([place for place, _ in found], axis=-1) + mean,
        np.stack([doubt for _, doubt in found], axis=-1),
    )
