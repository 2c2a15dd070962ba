"""Which frames of videos to label next: those the models are unsure of, unlike each other.

Uncertainty alone picks the same hard moment many times over; diversity alone picks what is easy
but rare. As in batch active learning (Sener and Savarese, 2018; Ash et al., 2020) frames are
taken one by one, each time the one with the largest product of worth and distance from the poses
that are labelled or taken already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

SHARE = 0.25  # of the frames, those of the largest worth, that suggestions are taken from
LEAST_CHOICE = 10  # candidates a suggestion, if the share holds fewer


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A frame to label.

    Attributes:
        row: of the scores.
        worth: 0..1, mean rank of the frame by all criteria; 1 = the worst of all frames.
        reason: the criterion by which it ranks highest.
        distance: of its pose from the nearest one labelled or suggested before, in units of the
            median distance between two poses.
    """

    row: int
    worth: float
    reason: str
    distance: float


def worth_of_frames(
    scores: Mapping[str, Float[np.ndarray, " n"]],
) -> tuple[Float[np.ndarray, " n"], list[str]]:
    """Return how much a label of each frame promises, 0..1, and the criterion that says so most.

    A criterion gives each frame its rank among all frames, 0..1; frames of which it says nothing
    (NaN) get the middle. The worth is the mean over the criteria, so that none of them rules by
    its unit.

    Example:
        >>> worth, reasons = worth_of_frames({"jump": np.array([1.0, 9.0, 4.0])})
        >>> worth.tolist(), reasons
        ([0.0, 1.0, 0.5], ['jump', 'jump', 'jump'])
    """
    names = list(scores)
    ranks = np.stack([_ranks(scores[name]) for name in names])
    return ranks.mean(axis=0), [names[place] for place in ranks.argmax(axis=0)]


def pose_features(xy_img: Float[np.ndarray, "n k 2"]) -> Float[np.ndarray, "n f"]:
    """Return poses as vectors whose distance is that of the keypoints, in pixels.

    Where the animal is counts as well as how it holds itself. Missing points are put at the mean
    of their keypoint, so that they add no distance.
    """
    known = ~np.isnan(xy_img)
    mean = np.where(known, xy_img, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known, xy_img, mean).reshape(len(xy_img), -1)


def suggest_frames(
    scores: Mapping[str, Float[np.ndarray, " n"]],
    poses_xy: Float[np.ndarray, "n k 2"],
    *,
    labelled_xy: Float[np.ndarray, "m k 2"],
    videos: Int[np.ndarray, " n"],
    frames: Int[np.ndarray, " n"],
    count: int,
    apart: int,
) -> list[Suggestion]:
    """Return the frames to label, the most worth first.

    Args:
        scores: by criterion, higher = more wrong; NaN = nothing is known.
        poses_xy: as predicted; NaN = no point.
        labelled_xy: poses that are labelled already; NaN = not labelled. May be none.
        videos: number of the video of each row.
        frames: frame number of each row.
        count: how many.
        apart: frames of one video are at least so far apart.

    Example:
        >>> rows = np.arange(6)
        >>> poses = np.array([0.0, 0.0, 0.0, 50.0, 50.0, 0.0])[:, None, None] * np.ones((1, 1, 2))
        >>> found = suggest_frames(
        ...     {"jump": np.array([0.0, 5.0, 4.0, 3.0, 2.0, 1.0])}, poses,
        ...     labelled_xy=np.zeros((0, 1, 2)), videos=rows * 0, frames=rows, count=2, apart=1)
        >>> [one.row for one in found]
        [1, 3]
    """
    worth, reasons = worth_of_frames(scores)
    features = pose_features(np.concatenate([poses_xy, labelled_xy]))
    poses, known = features[: len(worth)], features[len(worth) :]
    number = min(len(worth), max(LEAST_CHOICE * count, round(SHARE * len(worth))))
    pool = np.argsort(-worth, kind="stable")[:number]
    unit = _usual_distance(poses)
    nearest = np.full(len(worth), np.nan)
    for pose in known:
        nearest = np.fmin(nearest, np.linalg.norm(poses - pose, axis=1) / unit)
    free = np.isin(np.arange(len(worth)), pool)
    found: list[Suggestion] = []
    while len(found) < count and free.any():
        gain = np.where(free, worth * np.nan_to_num(nearest, nan=1.0), -np.inf)
        row = int(gain.argmax())
        found.append(
            Suggestion(
                row=row,
                worth=float(worth[row]),
                reason=reasons[row],
                distance=float(nearest[row]),
            )
        )
        free &= (videos != videos[row]) | (np.abs(frames - frames[row]) >= max(1, apart))
        nearest = np.fmin(nearest, np.linalg.norm(poses - poses[row], axis=1) / unit)
    return found


def _ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return ranks from 0 to 1, equal ones for equal values, the middle for NaN."""
    known = ~np.isnan(values)
    ranks = np.full(len(values), 0.5)
    if known.sum() < 2:
        return ranks
    ordered, place = np.unique(values[known], return_inverse=True)
    ranks[known] = place / max(len(ordered) - 1, 1)
    return ranks


def _usual_distance(poses: Float[np.ndarray, "n f"]) -> float:
    """Return the median distance between two poses; 1 where they are all the same."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(len(poses), size=(2, 1000))
    median = float(np.median(np.linalg.norm(poses[first] - poses[second], axis=1)))
    return median or 1.0
