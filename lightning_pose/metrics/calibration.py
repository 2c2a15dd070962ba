"""What a confidence is worth: errors by confidence, before and after it is calibrated."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from lightning_pose.metrics.dependence import Sessions, pieces_of, t_interval, t_quantile
from lightning_pose.metrics.summary import CONFIDENCE_BINS

Interval = tuple[float, float]
UNKNOWN: Interval = (float("nan"), float("nan"))


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """The keypoints in a range of confidence.

    Attributes:
        low, high: of the range.
        points: how many there are.
        confidence: their mean; None without points, as the rest.
        mean_px: their expected error.
        within: the share of them that lies within the distance.
        within_95: its 95 % interval, frames of a session together; None with fewer than two.
    """

    low: float
    high: float
    points: int
    confidence: float | None = None
    mean_px: float | None = None
    within: float | None = None
    within_95: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class CalibrationTable:
    """How often keypoints lie within a distance of their label, by confidence.

    Attributes:
        within_px: the distance.
        points: how many keypoints have a label and a confidence.
        bins: by rising confidence.
        expected_error: expected calibration error: the mean over points of how far the mean
            confidence of their bin is from the share within the distance.
        brier: mean squared distance of the confidence from what came of the point, 1 = within
            the distance and 0 = not.
        brier_95: its 95 % interval.
    """

    within_px: float
    points: int
    bins: tuple[CalibrationBin, ...]
    expected_error: float
    brier: float
    brier_95: Interval

    def as_plain(self) -> dict[str, Any]:
        """Return the numbers as plain values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """A confidence before and after calibration, on the same keypoints.

    Attributes:
        before: the model's own.
        after: calibrated.
        brier_change: after less before; negative = calibration helps.
        brier_change_95: its 95 % interval, of the same keypoints (paired).
    """

    before: CalibrationTable
    after: CalibrationTable
    brier_change: float
    brier_change_95: Interval

    def as_plain(self) -> dict[str, Any]:
        """Return the numbers as plain values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class ScoredPoints:
    """Keypoints that have a label and a confidence.

    Attributes:
        error_px: distance from the label.
        confidence: 0..1.
        images: path of the frame of each.
    """

    error_px: Float[np.ndarray, " p"]
    confidence: Float[np.ndarray, " p"]
    images: tuple[str, ...]

    @classmethod
    def of(
        cls,
        error_px: Float[np.ndarray, "n k"],
        confidence: Float[np.ndarray, "n k"],
        images: Sequence[str],
    ) -> ScoredPoints:
        """Return the keypoints of frames; those without label or confidence are left out."""
        rows, columns = np.nonzero(np.isfinite(error_px) & np.isfinite(confidence))
        return cls(
            error_px=error_px[rows, columns].astype(np.float64),
            confidence=confidence[rows, columns].astype(np.float64),
            images=tuple(images[int(row)] for row in rows),
        )

    @classmethod
    def joined(cls, parts: Sequence[ScoredPoints]) -> ScoredPoints:
        """Return the keypoints of all parts; a frame that several hold stays one."""
        return cls(
            error_px=np.concatenate([part.error_px for part in parts]),
            confidence=np.concatenate([part.confidence for part in parts]),
            images=tuple(image for part in parts for image in part.images),
        )

    def __len__(self) -> int:
        return len(self.images)


def calibration_table(points: ScoredPoints, *, within_px: float) -> CalibrationTable | None:
    """Return the table of some keypoints; None if there is none.

    Args:
        points: of frames that the model, and a calibration, did not learn from.
        within_px: the distance.
    """
    if not len(points):
        return None
    within = (points.error_px <= within_px).astype(np.float64)
    place = np.digitize(points.confidence, CONFIDENCE_BINS[1:-1])
    bins = tuple(
        _bin(number, place == number, points, within) for number in range(len(CONFIDENCE_BINS) - 1)
    )
    filled = [one for one in bins if one.confidence is not None and one.within is not None]
    gaps = [one.points * abs((one.confidence or 0) - (one.within or 0)) for one in filled]
    squares = (points.confidence - within) ** 2
    return CalibrationTable(
        within_px=within_px,
        points=len(points),
        bins=bins,
        expected_error=sum(gaps) / len(points),
        brier=float(squares.mean()),
        brier_95=mean_interval(squares, points.images) or UNKNOWN,
    )


def reliability(
    points: ScoredPoints, calibrated: Float[np.ndarray, " p"], *, within_px: float
) -> Reliability | None:
    """Return what a calibration does for keypoints it was not fitted on; None without any.

    Args:
        points: with the model's own confidence.
        calibrated: the probability of each.
        within_px: the distance.
    """
    before = calibration_table(points, within_px=within_px)
    after = calibration_table(
        dataclasses.replace(points, confidence=calibrated), within_px=within_px
    )
    if before is None or after is None:
        return None
    within = points.error_px <= within_px
    change = (calibrated - within) ** 2 - (points.confidence - within) ** 2
    return Reliability(
        before=before,
        after=after,
        brier_change=float(change.mean()),
        brier_change_95=mean_interval(change, points.images) or UNKNOWN,
    )


def mean_interval(values: Float[np.ndarray, " p"], images: Sequence[str]) -> Interval | None:
    """Return the 95 % interval of the mean of keypoints; None if they are of one frame.

    Sessions are the independent pieces, or frames if there is one session alone.
    """
    pieces = _pieces(images)
    if pieces is None:
        return None
    low, high, _ = t_interval(float(values.mean()), pieces.variance(values), pieces.degrees)
    return low, high


def share_interval(within: Float[np.ndarray, " p"], images: Sequence[str]) -> Interval | None:
    """Return the 95 % interval of a share of keypoints; None if they are of one frame.

    Wilson's, with t for z and the number of keypoints divided by what clustering costs (Dean and
    Pagano, 2015). Where all are alike there is no telling that, and each session (or frame)
    counts as one keypoint.

    Args:
        within: 1 or 0 for each keypoint.
        images: path of the frame of each.
    """
    pieces = _pieces(images)
    if pieces is None:
        return None
    share, variance = float(within.mean()), pieces.variance(within)
    n = min(len(within), share * (1 - share) / variance) if variance else pieces.count
    squared = t_quantile(pieces.degrees) ** 2
    centre = (share + squared / (2 * n)) / (1 + squared / n)
    spread = share * (1 - share) / n + squared / (4 * n**2)
    reach = (squared * spread) ** 0.5 / (1 + squared / n)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def _bin(
    number: int,
    inside: Bool[np.ndarray, " p"],
    points: ScoredPoints,
    within: Float[np.ndarray, " p"],
) -> CalibrationBin:
    rows: Int[np.ndarray, " m"] = np.flatnonzero(inside)
    low, high = CONFIDENCE_BINS[number], CONFIDENCE_BINS[number + 1]
    if not rows.size:
        return CalibrationBin(low=low, high=high, points=0)
    return CalibrationBin(
        low=low,
        high=high,
        points=rows.size,
        confidence=float(points.confidence[rows].mean()),
        mean_px=float(points.error_px[rows].mean()),
        within=float(within[rows].mean()),
        within_95=share_interval(within[rows], [points.images[int(row)] for row in rows]),
    )


def _pieces(images: Sequence[str]) -> Sessions | None:
    """Return sessions, or the frames of a single session; None if there is one frame."""
    pieces = pieces_of(images)
    if isinstance(pieces, Sessions):
        return pieces
    numbers = {image: number for number, image in enumerate(dict.fromkeys(images))}
    if len(numbers) < 2:
        return None
    return Sessions(number=np.array([numbers[image] for image in images]))
