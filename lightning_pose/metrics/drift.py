"""Is a new video like the data a model was made from, as far as the model can tell?

No labels are needed: confidence, jumps and poses of the video are set against a reference.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

FAR = 0.95  # of reference points lie below what counts as far out
MOST_OUTSIDE, MOST_SHIFT = 0.20, 0.30
ERRORS, RESAMPLED = 2.0, 100
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
        outside_error: standard error of that share, by resampling the frames of the reference.
        shift: how much worse the distribution is, in interquartile ranges of the reference: the
            mean difference of 19 quantiles (a robust, signed Wasserstein distance), of the median
            keypoint. Negative = better.
        shift_error: its standard error.
        judges_shift: whether the shift counts; of jumps it does not, as animals may well move
            more.
        worst_keypoint: the one with the largest share outside.
    """

    name: str
    reference_median: float
    video_median: float
    outside: float
    outside_error: float
    shift: float
    shift_error: float
    judges_shift: bool
    worst_keypoint: str

    @property
    def warns(self) -> bool:
        """Return whether the video is unlike the reference.

        That is so if a fifth of its points lie where a twentieth is expected, or if the whole
        distribution is worse by 0.3 interquartile ranges; and if either is more than two standard
        errors, which a small reference makes large. docs/apps.md tells how often that is wrong.
        """
        return self.warns_of_points or self.warns_of_shift

    @property
    def warns_of_points(self) -> bool:
        """Return whether too many points lie far out."""
        is_sure = self.outside - (1 - FAR) >= ERRORS * self.outside_error
        return self.outside >= MOST_OUTSIDE and is_sure

    @property
    def warns_of_shift(self) -> bool:
        """Return whether the whole distribution is worse, and that counts."""
        is_sure = self.shift >= ERRORS * self.shift_error
        return self.judges_shift and self.shift >= MOST_SHIFT and is_sure


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
    video = _Values.of(sign * values[:, columns])
    usual = sign * reference[:, columns]
    outside, shift = video.against(usual)
    rng = np.random.default_rng(0)
    drawn = [
        video.against(usual[rng.integers(len(usual), size=len(usual))]) for _ in range(RESAMPLED)
    ]
    outside_error = np.nanstd([np.nanmean(one) for one, _ in drawn])
    shift_error = np.nanstd([np.nanmedian(one) for _, one in drawn])
    return Drift(
        name=name,
        reference_median=float(np.nanmedian(reference[:, columns])),
        video_median=float(np.nanmedian(values[:, columns])),
        outside=float(np.mean(outside)),
        outside_error=float(outside_error),
        shift=float(np.median(shift)),
        shift_error=float(shift_error),
        judges_shift=judges_shift,
        worst_keypoint=keypoint_names[int(columns[int(outside.argmax())])],
    )


@dataclass(frozen=True, kw_only=True)
class _Values:
    """What is needed again and again of the values of a video, larger = worse.

    Attributes:
        sorted_known: of each keypoint, without those not known.
        quantiles: at LEVELS.
    """

    sorted_known: tuple[Float[np.ndarray, " _"], ...]
    quantiles: Float[np.ndarray, "q k"]

    @classmethod
    def of(cls, values: Float[np.ndarray, "t k"]) -> _Values:
        """Return them of a table."""
        known = tuple(np.sort(column[np.isfinite(column)]) for column in values.T)
        return cls(sorted_known=known, quantiles=np.nanquantile(values, LEVELS, axis=0))

    def against(
        self, reference: Float[np.ndarray, "n k"]
    ) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """Return the share outside and the shift of each keypoint; NaN where no value is left."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a resample may have no value
            before = np.nanquantile(reference, [*LEVELS, FAR, 0.25, 0.75], axis=0)
        far, low, high = before[-3:]
        outside = [
            1 - float(np.searchsorted(known, float(limit), side="right")) / len(known)
            for known, limit in zip(self.sorted_known, far, strict=True)
        ]
        gaps = (self.quantiles - before[:-3]).mean(axis=0)
        return np.array(outside), gaps / np.maximum(high - low, np.finfo(np.float32).tiny)
