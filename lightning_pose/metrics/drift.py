"""Is a new video like the data a model was made from, as far as the model can tell?

No labels are needed: confidence, jumps and poses of the video are set against a reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

FAR = 0.95  # of reference points lie below what counts as far out
MOST_OUTSIDE, MOST_SHIFT = 0.20, 0.30
FEWEST_FRAMES = 8
LEVELS = np.linspace(0.05, 0.95, 19)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How one number of a video lies against the reference.

    Attributes:
        name: of the metric.
        reference_median: median over all points of the reference.
        video_median: of the video.
        outside: share of points that are worse than 95 % of the reference's points of the same
            keypoint; 0.05 is expected.
        shift: how much worse the distribution is, in interquartile ranges of the reference: the
            mean difference of 19 quantiles (a robust, signed Wasserstein distance), of the median
            keypoint. Negative = better.
        judges_shift: whether the shift counts; of jumps it does not, as animals may well move
            more.
        worst_keypoint: the one with the largest share outside.
    """

    name: str
    reference_median: float
    video_median: float
    outside: float
    shift: float
    judges_shift: bool
    worst_keypoint: str

    @property
    def warns(self) -> bool:
        """Return whether the video is unlike the reference.

        That is so if a fifth of its points lie where a twentieth is expected, or if the whole
        distribution is worse by 0.3 interquartile ranges (docs/apps.md tells how often that is
        wrong).
        """
        is_shifted = self.judges_shift and self.shift >= MOST_SHIFT
        return self.outside >= MOST_OUTSIDE or is_shifted


def drift_of(
    values: Float[np.ndarray, "t k"],
    reference: Float[np.ndarray, "n k"],
    *,
    name: str,
    keypoint_names: Sequence[str],
    low_is_bad: bool = False,
    judges_shift: bool = True,
) -> Drift | None:
    """Return how the values of a video lie against reference values; None if they cannot.

    That is so for keypoints which have fewer than eight known values on a side: they are left
    out, and where that leaves none, there is nothing to tell.

    Args:
        values: of the video; NaN = not known.
        reference: of frames like those the model is for, which it did not learn from.
        name: of the metric.
        keypoint_names: of the columns.
        low_is_bad: as of a confidence.
        judges_shift: see :class:`Drift`.

    Example:
        >>> calm = np.linspace(0, 1, 50)[:, None]
        >>> found = drift_of(calm + 0.5, calm, name="error", keypoint_names=["nose"])
        >>> found is not None and found.warns, round(found.outside, 2), round(found.shift, 2)
        (True, 0.54, 1.0)
    """
    enough = [
        int(np.isfinite(side).sum(axis=0)[column]) >= FEWEST_FRAMES
        for column in range(values.shape[1])
        for side in (values, reference)
    ]
    columns = np.flatnonzero(np.reshape(enough, (-1, 2)).all(axis=1))
    if not len(columns):
        return None
    sign = -1.0 if low_is_bad else 1.0
    now, before = sign * values[:, columns], sign * reference[:, columns]
    far = np.nanquantile(before, FAR, axis=0)
    outside = np.where(np.isfinite(now), now > far, np.nan)
    gaps = np.nanquantile(now, LEVELS, axis=0) - np.nanquantile(before, LEVELS, axis=0)
    low, high = np.nanquantile(before, [0.25, 0.75], axis=0)
    shift = gaps.mean(axis=0) / np.maximum(high - low, np.finfo(np.float32).tiny)
    by_keypoint = np.nanmean(outside, axis=0)
    return Drift(
        name=name,
        reference_median=float(np.nanmedian(reference[:, columns])),
        video_median=float(np.nanmedian(values[:, columns])),
        outside=float(np.nanmean(outside)),
        shift=float(np.median(shift)),
        judges_shift=judges_shift,
        worst_keypoint=keypoint_names[int(columns[int(by_keypoint.argmax())])],
    )
