"""Labels that every model contradicts: points far off, and left and right exchanged.

People misplace a few labels in a hundred. A model that has seen many right ones puts such a point
elsewhere, and so do others: what is asked of each label is whether the nearest of all predictions
is farther from it than is usual for its keypoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lightning_pose.metrics.frame_choice import largest

FAR, SWAPPED = "far", "swapped"


@dataclass(frozen=True, kw_only=True)
class AuditRule:
    """When a label counts as suspect.

    Attributes:
        factor: how many times the usual distance of its keypoint the nearest prediction is off.
        least_px: labels that a prediction is nearer to are never suspect.
    """

    factor: float = 4.0
    least_px: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A label, or a pair of them, that the models contradict.

    Attributes:
        row: of the label table.
        keypoints: columns: one that is far off, two that changed places.
        kind: :data:`FAR` or :data:`SWAPPED`.
        distance_px: from the label to the nearest of the models' points; of a pair the mean.
        usual_px: what that distance is for this keypoint in the middle of all frames.
        spread_px: largest distance between two models' points; NaN for a single model.
        models: how many were asked.
        learnt: whether these models learnt from the frame: they had to be asked, because no other
            was there, and a model that was shown a wrong label may have learnt it.
        proposed_xy: where the models have the points, the mean, in image pixels.
    """

    row: int
    keypoints: tuple[int, ...]
    kind: str
    distance_px: float
    usual_px: float
    spread_px: float
    models: int
    learnt: bool
    proposed_xy: tuple[tuple[float, float], ...]

    @property
    def ratio(self) -> float:
        """Return how many times the usual distance the models are off."""
        return self.distance_px / max(self.usual_px, np.finfo(float).tiny)


def audit_labels(
    labels_xy: Float[np.ndarray, "n k 2"],
    predicted_xy: Float[np.ndarray, "m n k 2"],
    *,
    learnt: Bool[np.ndarray, "m n"],
    pairs: Sequence[tuple[int, int]] = (),
    rule: AuditRule | None = None,
) -> list[Suspect]:
    """Return the suspect labels, the most suspect first.

    A frame is judged by the models that did not learn from it, if there are such, else by all. A
    point is ``far`` if the nearest of their points is more than ``factor`` times the usual
    distance away, and they are nearer to each other than to the label. A pair is ``swapped`` if
    every model is as far off on average, and would be at most half as far if the two labels were
    exchanged.

    Args:
        labels_xy: image pixels; NaN = not labelled.
        predicted_xy: of m models; NaN = no point.
        learnt: whether a model was trained on a frame, or chosen by it.
        pairs: columns of keypoints that only differ in left and right.
        rule: when a label is suspect.

    Example:
        >>> labels = np.zeros((9, 1, 2))
        >>> predicted = np.ones((2, 9, 1, 2))
        >>> predicted[:, 4] = 30.0
        >>> [s.row for s in audit_labels(labels, predicted, learnt=np.zeros((2, 9), dtype=bool))]
        [4]
    """
    rule = rule or AuditRule()
    found = _Evidence.gather(labels_xy, predicted_xy, learnt)
    limit = np.maximum(rule.factor * found.usual_px, rule.least_px)
    swaps = [
        (row, pair)
        for pair in pairs
        for row in _swapped(labels_xy, found.points_xy, pair, float(limit[list(pair)].mean()))
    ]
    exchanged = {(row, column) for row, pair in swaps for column in pair}
    agree = ~(found.spread_px >= found.nearest_px)
    far = np.argwhere((found.nearest_px > limit) & agree)
    suspects = [
        found.suspect(int(row), (int(column),), FAR)
        for row, column in far
        if (int(row), int(column)) not in exchanged
    ]
    suspects += [found.suspect(row, pair, SWAPPED) for row, pair in swaps]
    return sorted(suspects, key=lambda one: -one.ratio)


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """What the models that are asked say of each label.

    Attributes:
        points_xy: of the models that are asked of a frame; NaN elsewhere.
        nearest_px: distance from the label to the nearest of them.
        usual_px: its median over the frames.
        spread_px: largest distance between two of them; NaN for a single one.
        learnt: frames that all models learnt from.
    """

    points_xy: Float[np.ndarray, "m n k 2"]
    nearest_px: Float[np.ndarray, "n k"]
    usual_px: Float[np.ndarray, " k"]
    spread_px: Float[np.ndarray, "n k"]
    learnt: Bool[np.ndarray, " n"]

    @classmethod
    def gather(
        cls,
        labels_xy: Float[np.ndarray, "n k 2"],
        predicted_xy: Float[np.ndarray, "m n k 2"],
        learnt: Bool[np.ndarray, "m n"],
    ) -> _Evidence:
        """Ask those that did not learn from a frame, if there are such, else all."""
        learnt_by_all = np.asarray(learnt.all(0))
        asked = ~learnt | learnt_by_all
        points = np.where(asked[..., None, None], predicted_xy, np.nan)
        nearest = largest(-np.linalg.norm(points - labels_xy, axis=-1), axis=0) * -1
        known = [column[~np.isnan(column)] for column in nearest.T]
        between = np.linalg.norm(points[:, None] - points[None], axis=-1)
        others = ~np.eye(len(points), dtype=bool)[..., None, None]
        return cls(
            points_xy=points,
            nearest_px=nearest,
            usual_px=np.array([np.median(of) if len(of) else np.nan for of in known]),
            spread_px=largest(np.where(others, between, np.nan), axis=(0, 1)),
            learnt=learnt_by_all,
        )

    def suspect(self, row: int, columns: tuple[int, ...], kind: str) -> Suspect:
        """Return a label or pair as suspect."""
        chosen = list(columns)
        asked = self.points_xy[:, row, chosen]
        asked = asked[~np.isnan(asked).any((1, 2))]
        return Suspect(
            row=row,
            keypoints=columns,
            kind=kind,
            distance_px=float(self.nearest_px[row, chosen].mean()),
            usual_px=float(self.usual_px[chosen].mean()),
            spread_px=float(largest(self.spread_px[row, chosen], axis=0)),
            models=len(asked),
            learnt=bool(self.learnt[row]),
            proposed_xy=tuple((float(x), float(y)) for x, y in asked.mean(0)),
        )


def _swapped(
    labels_xy: Float[np.ndarray, "n k 2"],
    points_xy: Float[np.ndarray, "m n k 2"],
    pair: tuple[int, int],
    limit_px: float,
) -> list[int]:
    """Return the rows where each model is far off, and would be half as far after an exchange."""
    columns, other = list(pair), list(reversed(pair))
    straight = np.linalg.norm(points_xy[:, :, columns] - labels_xy[:, columns], axis=-1).mean(-1)
    crossed = np.linalg.norm(points_xy[:, :, columns] - labels_xy[:, other], axis=-1).mean(-1)
    unknown = np.isnan(straight)
    contradicts = (crossed < straight / 2) & (straight > limit_px)
    return [int(row) for row in np.flatnonzero((contradicts | unknown).all(0) & ~unknown.all(0))]
