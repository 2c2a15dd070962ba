"""Does one model err less than another on the same labelled frames?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

from lightning_pose.contracts.errors import DataError

CONFIDENCE = 0.95
FEWEST_SESSIONS = 5


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The errors of two models on the same frames, and the test of their difference.

    Attributes:
        first_px: mean error of the first model; a frame's error is the mean over its labelled
            keypoints, and frames count alike.
        second_px: of the second.
        difference_px: second minus first; negative = the second is better.
        low_px: lower end of its 95 % interval.
        high_px: upper end.
        p_value: of the two-sided t-test that there is no difference.
        frames: how many were compared.
        groups: how many independent pieces they make; as many as frames if single frames were
            taken for independent.
        by_session: whether the pieces are sessions.
    """

    first_px: float
    second_px: float
    difference_px: float
    low_px: float
    high_px: float
    p_value: float
    frames: int
    groups: int
    by_session: bool


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models on the same frames: over all keypoints, and each by itself.

    Attributes:
        overall: a frame's error is the mean over its labelled keypoints.
        by_keypoint: those labelled in two frames or more. Of many such intervals one in twenty
            misses the truth by chance.
    """

    overall: PairedDifference
    by_keypoint: Mapping[str, PairedDifference]

    def verdict(self, first: str, second: str) -> str:
        """Return one sentence that claims no more than the interval of all keypoints does."""
        found = self.overall
        pieces = "sessions" if found.by_session else "frames, of these sessions alone"
        of_what = f"({found.groups} {pieces})"
        interval = f"the 95 % interval is {found.low_px:+.2f} to {found.high_px:+.2f} px {of_what}"
        if found.low_px <= 0 <= found.high_px:
            return f"No difference between {first} and {second} is shown: {interval}."
        better, other = (first, second) if found.low_px > 0 else (second, first)
        size = abs(found.difference_px)
        return f"{better} errs less than {other}, by {size:.2f} px: {interval}."


def compare_errors(
    first_px: Float[np.ndarray, "n k"],
    second_px: Float[np.ndarray, "n k"],
    *,
    images: Sequence[str],
    keypoint_names: Sequence[str],
) -> Comparison:
    """Return how the errors of two models differ, over all keypoints and one by one.

    Args:
        first_px: errors of the first model; NaN = not labelled.
        second_px: of the second, NaN at the same places.
        images: path of each row.
        keypoint_names: of the columns.

    Raises:
        DataError: as for :func:`paired_difference`.
    """
    labelled = np.isfinite(first_px).sum(axis=0)
    return Comparison(
        overall=paired_difference(first_px, second_px, images),
        by_keypoint={
            name: paired_difference(first_px[:, [column]], second_px[:, [column]], images)
            for column, name in enumerate(keypoint_names)
            if labelled[column] > 1
        },
    )


def paired_difference(
    first_px: Float[np.ndarray, "n k"],
    second_px: Float[np.ndarray, "n k"],
    images: Sequence[str],
) -> PairedDifference:
    """Return how much the second model's errors differ from the first's on the same frames.

    Frames of a session (a folder of images) are alike, so the variance is that of sessions
    (cluster-robust: sum over sessions of their summed residuals squared, with t of G - 1 degrees;
    Liang and Zeger, 1986). With fewer than five sessions frames are taken for independent, which
    speaks for these sessions alone.

    Args:
        first_px: errors of the first model; NaN = not labelled.
        second_px: of the second, NaN at the same places.
        images: path of each row.

    Raises:
        DataError: a model did not place a labelled keypoint, or fewer than two frames have labels.

    Example:
        >>> errors = np.array([[2.0], [4.0], [3.0]])
        >>> found = paired_difference(errors, errors - [[1.0], [1.1], [0.9]], ["a", "b", "c"])
        >>> f"{found.difference_px:.2f} px, {found.low_px:.2f} to {found.high_px:.2f}"
        '-1.00 px, -1.25 to -0.75'
    """
    if (np.isnan(first_px) != np.isnan(second_px)).any():
        raise DataError("One of the models places keypoints that the other leaves out.")
    rows = np.flatnonzero(~np.isnan(first_px).all(axis=1))
    if len(rows) < 2:
        raise DataError(
            f"Two models are compared on two labelled frames or more, got {len(rows)}."
        )
    first = np.nanmean(first_px[rows], axis=1)
    second = np.nanmean(second_px[rows], axis=1)
    sessions = _sessions([images[int(row)] for row in rows])
    by_session = int(sessions.max()) + 1 >= FEWEST_SESSIONS
    groups = sessions if by_session else np.arange(len(rows))
    difference = second - first
    mean = float(difference.mean())
    num_groups = int(groups.max()) + 1
    sums = np.bincount(groups, weights=difference - mean)
    variance = float((sums**2).sum()) * num_groups / (num_groups - 1) / len(rows) ** 2
    low, high, p_value = _t_test(mean, variance**0.5, num_groups - 1)
    return PairedDifference(
        first_px=float(first.mean()),
        second_px=float(second.mean()),
        difference_px=mean,
        low_px=low,
        high_px=high,
        p_value=p_value,
        frames=len(rows),
        groups=num_groups,
        by_session=by_session,
    )


def _t_test(mean: float, error: float, degrees: int) -> tuple[float, float, float]:
    """Return both ends of the interval, and the p-value; without any spread the mean is sure."""
    if error == 0:
        return mean, mean, float(mean == 0)
    t: Any = stats.t(degrees)
    reach = float(t.ppf((1 + CONFIDENCE) / 2)) * error
    return mean - reach, mean + reach, float(2 * t.sf(abs(mean) / error))


def _sessions(images: Sequence[str]) -> Int[np.ndarray, " n"]:
    """Return the number of each image's session, from 0: its folder."""
    folders = [str(PurePosixPath(image).parent) for image in images]
    numbers = {folder: number for number, folder in enumerate(dict.fromkeys(folders))}
    return np.array([numbers[folder] for folder in folders])
