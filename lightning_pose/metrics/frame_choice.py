"""Choosing few frames of a video to look at: the most telling ones, spread in time.

Every criterion gives each frame a number, higher is more worth a look. :func:`choose_frames` lets
the criteria take turns, so that none of them fills the list alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

DISAGREEMENT, LOW_CONFIDENCE, JUMP = "disagreement", "low confidence", "jump"
UNIFORM, ASKED_FOR = "uniform", "asked for"


@dataclass(frozen=True, kw_only=True)
class ChosenFrame:
    """One frame, and why it was chosen.

    Attributes:
        frame: 0-based number.
        reason: name of the criterion that chose it.
        score: what that criterion says of it; NaN where it has no score (uniform, asked for).
    """

    frame: int
    reason: str
    score: float


def ensemble_spread(xy_img: Float[np.ndarray, "m n k 2"]) -> Float[np.ndarray, "n k"]:
    """Return how far several models are apart on each keypoint, in pixels.

    The root mean square distance of the models' points from their mean, sqrt(var_x + var_y): of
    two models half their distance. NaN where fewer than two models have the point.

    Example:
        >>> ensemble_spread(np.array([[[[0.0, 0.0]]], [[[6.0, 8.0]]]]))
        array([[5.]])
    """
    known = np.asarray(~np.isnan(xy_img).any(-1))
    number = known.sum(0)
    points = np.where(known[..., None], xy_img, 0.0)
    mean = points.sum(0) / np.maximum(number, 1)[..., None]
    squared = np.where(known, ((xy_img - mean) ** 2).sum(-1), 0.0).sum(0)
    return np.where(number > 1, np.sqrt(squared / np.maximum(number, 1)), np.nan)


def steps(xy_img: Float[np.ndarray, "m n k 2"]) -> Float[np.ndarray, "m n k"]:
    """Return how far each keypoint moved since the frame before, in pixels; NaN in the first."""
    moved = np.full(xy_img.shape[:-1], np.nan)
    moved[:, 1:] = np.linalg.norm(np.diff(xy_img, axis=1), axis=-1)
    return moved


def frame_scores(
    xy_img: Float[np.ndarray, "m n k 2"],
    confidence: Float[np.ndarray, "m n k"],
    metrics: Mapping[str, Float[np.ndarray, "m n k"]] | None = None,
) -> dict[str, Float[np.ndarray, " n"]]:
    """Return what the criteria say of each frame of a video.

    ``disagreement``: the largest ensemble spread of a keypoint (px), with two models or more.
    ``low confidence``: one minus the confidence of the least confident model, mean over keypoints.
    ``jump``: the largest step of a keypoint (px) of any model. Every metric of ``metrics`` is a
    criterion under its own name: mean over keypoints, of the worst model.

    Args:
        xy_img: m models, n frames, k keypoints, in pixels; NaN = no point.
        confidence: 0..1; NaN = unknown.
        metrics: further numbers that are high where something is wrong (PCA errors); NaN = none.

    A criterion that has no number at all is left out; elsewhere NaN means that it says nothing.
    """
    scores = {JUMP: largest(largest(steps(xy_img), -1), 0)}
    if len(xy_img) > 1:
        scores[DISAGREEMENT] = largest(ensemble_spread(xy_img), -1)
    scores[LOW_CONFIDENCE] = 1 - -largest(-mean_of(confidence), 0)
    for name, values in (metrics or {}).items():
        scores[name] = largest(mean_of(values), 0)
    order = (DISAGREEMENT, LOW_CONFIDENCE, JUMP, *(metrics or {}))
    return {
        name: scores[name] for name in order if name in scores and not np.isnan(scores[name]).all()
    }


def choose_frames(
    scores: Mapping[str, Float[np.ndarray, " n"]],
    count: int,
    *,
    num_frames: int,
    apart: int | None = None,
    asked_for: Sequence[int] = (),
) -> tuple[ChosenFrame, ...]:
    """Return ``count`` frames, in order of time, that the criteria chose in turn.

    Each criterion in its turn takes the frame it scores highest among those at least ``apart``
    frames from all chosen ones; after them, in the turn ``uniform``, the frame farthest in time
    from all chosen ones. Where too few are that far apart, the distance is halved until there are
    enough. The same numbers give the same frames.

    Args:
        scores: by criterion; NaN = the criterion does not want the frame.
        count: how many; the whole video if it is shorter.
        num_frames: of the video.
        apart: smallest distance in frames; None = a quarter of what even spacing would give.
        asked_for: frames to take in any case, beyond ``count``.

    Example:
        >>> jumps = np.array([0.0, 9.0, 8.0, 0.0, 0.0, 7.0, 0.0, 0.0])
        >>> [c.frame for c in choose_frames({"jump": jumps}, 3, num_frames=8, apart=2)]
        [1, 5, 7]
    """
    chosen = {
        frame: ChosenFrame(frame=frame, reason=ASKED_FOR, score=np.nan)
        for frame in asked_for
        if 0 <= frame < num_frames
    }
    wanted = min(num_frames, count + len(chosen))
    gap = max(1, num_frames // (4 * max(count, 1))) if apart is None else max(1, apart)
    far = np.full(num_frames, num_frames, dtype=np.int64)  # distance from the nearest chosen frame
    for frame in chosen:
        far = np.minimum(far, _distance(frame, num_frames))
    while len(chosen) < wanted:
        before = len(chosen)
        for reason, score in [*scores.items(), (UNIFORM, None)]:
            if len(chosen) == wanted:
                break
            found = _next(score, far, gap)
            if found is not None:
                value = np.nan if score is None else float(score[found])
                chosen[found] = ChosenFrame(frame=found, reason=reason, score=value)
                far = np.minimum(far, _distance(found, num_frames))
        if len(chosen) == before:
            gap = max(1, gap // 2)
    return tuple(chosen[frame] for frame in sorted(chosen))


def largest(values: Float[np.ndarray, ...], axis: int | tuple[int, ...]) -> Float[np.ndarray, ...]:
    """Return the largest number along one axis or several, NaN where there is none."""
    known = ~np.isnan(values)
    top = np.where(known, values, -np.inf).max(axis, initial=-np.inf)
    return np.where(known.any(axis), top, np.nan)


def mean_of(values: Float[np.ndarray, "... k"]) -> Float[np.ndarray, ...]:
    """Return the mean over the last axis, NaN where there is no number."""
    known = ~np.isnan(values)
    number = known.sum(-1)
    total = np.where(known, values, 0.0).sum(-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _next(
    score: Float[np.ndarray, " n"] | None, far: Int[np.ndarray, " n"], gap: int
) -> int | None:
    """Return the frame that a criterion takes next; None if none is free for it."""
    values = far.astype(np.float64) if score is None else score
    free = (far >= gap) & ~np.isnan(values)
    if not free.any():
        return None
    best = np.flatnonzero(free & (values == values[free].max()))
    return int(best[len(best) // 2] if score is None else best[0])


def _distance(frame: int, num_frames: int) -> Int[np.ndarray, " n"]:
    return np.abs(np.arange(num_frames, dtype=np.int64) - frame)
