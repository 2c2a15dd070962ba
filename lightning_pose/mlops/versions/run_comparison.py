"""Two run directories of one training, number by number: metrics, predictions and weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lightning_pose.contracts.errors import DataError, ModelError
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import METRICS as METRIC_NAMES

IDENTICAL, WITHIN, DIFFERENT = "identical", "equal within tolerance", "different"
METRICS = "metrics.json"
CHECKPOINTS = ("best.ckpt", "last.ckpt")
TABLES = ("predictions*.csv", "video_preds/*.csv")
JUDGED = ("mean_px", "median_px")
UNJUDGED_PARTS = {"keypoints", "confidence", "occluded", "visible"}


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far two trainings may lie apart to count as equal.

    Attributes:
        px: the mean distance of the predictions of a file, and an error in pixels.
        relative: an error in pixels may also differ by this share of its size.
    """

    px: float = 0.5
    relative: float = 0.05

    def allows(self, before: float, after: float) -> bool:
        """Tell whether two errors in pixels count as equal."""
        gap = abs(after - before)
        return gap <= max(self.px, self.relative * max(abs(before), abs(after)))


@dataclass(frozen=True, kw_only=True)
class NumberDifference:
    """A number of metrics.json that is not the same: its place in the file, and both values."""

    name: str
    before: float | None
    after: float | None


@dataclass(frozen=True, kw_only=True)
class PredictionDifference:
    """Predictions of one file.

    Attributes:
        name: of the file, from the run directory.
        identical: every coordinate and confidence is the same.
        mean_px, largest_px: distance between the two; NaN where no point is in both.
        other_points: points that one has and the other has not.
        reason: why they cannot be compared; empty if they can.
    """

    name: str
    identical: bool
    mean_px: float = 0.0
    largest_px: float = 0.0
    other_points: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class WeightDifference:
    """Weights of one checkpoint.

    Attributes:
        name: of the file.
        tensors: how many were compared.
        differing: names of those that differ.
        largest: largest difference of two weights, over the largest weight of their tensor.
    """

    name: str
    tensors: int
    differing: tuple[str, ...] = ()
    largest: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """What two run directories have in common, and how far they lie apart."""

    metrics: tuple[NumberDifference, ...]
    num_metrics: int
    predictions: tuple[PredictionDifference, ...]
    weights: tuple[WeightDifference, ...]
    tolerance: Tolerance

    @property
    def verdict(self) -> str:
        """Return identical, equal within tolerance, or different."""
        same_tables = all(table.identical for table in self.predictions)
        if same_tables and not self.metrics and not any(w.differing for w in self.weights):
            return IDENTICAL
        return DIFFERENT if self.outside else WITHIN

    @property
    def outside(self) -> tuple[str, ...]:
        """Return a sentence for each thing that differs by more than the tolerance."""
        numbers = [
            f"{n.name} was {_number(n.before)} and is {_number(n.after)}."
            for n in self.metrics
            if not self._allowed(n)
        ]
        tables = [
            f"{t.name}: {t.reason or f'predictions lie {t.mean_px:.3g} px apart on average.'}"
            for t in self.predictions
            if t.reason or t.mean_px > self.tolerance.px
        ]
        return (*numbers, *tables)

    def _allowed(self, number: NumberDifference) -> bool:
        """Tell whether a number may differ so.

        The errors of whole sets are judged: those of single keypoints, and shares of right
        points, jump with a point or two.
        """
        if number.before is None or number.after is None:
            return False
        *place, last = number.name.split(".")
        if last not in JUDGED or UNJUDGED_PARTS & set(place):
            return True
        return self.tolerance.allows(number.before, number.after)


def compare_runs(before: Path, after: Path, *, tolerance: Tolerance) -> RunComparison:
    """Return how the results in two run directories differ.

    What the first does not hold (a packed model has no predictions) is not compared.

    Args:
        before: the run directory of the original.
        after: of its repetition.
        tolerance: what counts as equal.

    Raises:
        DataError: nothing of the first can be compared, or a file cannot be read.
    """
    old, new = _numbers_of(before), _numbers_of(after)
    names = dict.fromkeys([*old, *new]) if old else {}
    result = RunComparison(
        metrics=tuple(
            NumberDifference(name=name, before=old.get(name), after=new.get(name))
            for name in names
            if old.get(name) != new.get(name)
        ),
        num_metrics=len(old),
        predictions=tuple(_tables(before, after)),
        weights=tuple(_weights(before, after)),
        tolerance=tolerance,
    )
    if not (result.num_metrics or result.predictions or result.weights):
        raise DataError(f"{before} holds neither metrics nor predictions nor weights to compare.")
    return result


def _numbers_of(run_dir: Path) -> dict[str, float]:
    path = run_dir / METRICS
    if not path.is_file():
        return {}
    try:
        return dict(_flat(json.loads(path.read_text(encoding="utf-8"))))
    except ValueError as error:
        raise DataError(f"{path} is not readable as JSON: {error}.") from error


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, float]]:
    items = value.items() if isinstance(value, Mapping) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        name = f"{place}.{key}" if place else str(key)
        if isinstance(item, int | float):
            yield name, float(item)
        else:
            yield from _flat(item, name)


def _tables(before: Path, after: Path) -> Iterator[PredictionDifference]:
    for path in sorted(path for pattern in TABLES for path in before.glob(pattern)):
        if any(path.stem.endswith(f"_{metric}") for metric in METRIC_NAMES.names()):
            continue
        table = Predictions.read(path)
        name = str(path.relative_to(before))
        other = after / name
        if not other.is_file():
            yield PredictionDifference(name=name, identical=False, reason="it was not made again.")
        else:
            yield _compared(name, table, Predictions.read(other))


def _compared(name: str, before: Predictions, after: Predictions) -> PredictionDifference:
    rows = (before.images or tuple(before.frame_ids), before.keypoint_names)
    if rows != (after.images or tuple(after.frame_ids), after.keypoint_names):
        reason = "it is of other frames or keypoints."
        return PredictionDifference(name=name, identical=False, reason=reason)
    distance = np.linalg.norm(after.xy_img - before.xy_img, axis=-1)
    known = np.isfinite(distance)
    in_one = np.isnan(before.xy_img).any(-1) != np.isnan(after.xy_img).any(-1)
    return PredictionDifference(
        name=name,
        identical=np.array_equal(before.xy_img, after.xy_img, equal_nan=True)
        and np.array_equal(before.confidence, after.confidence, equal_nan=True)
        and before.sets == after.sets,
        mean_px=float(distance[known].mean()) if known.any() else float("nan"),
        largest_px=float(distance[known].max()) if known.any() else float("nan"),
        other_points=int(in_one.sum()),
        reason="the frames are in other sets." if before.sets != after.sets else "",
    )


def _weights(before: Path, after: Path) -> Iterator[WeightDifference]:
    for name in CHECKPOINTS:
        old, new = before / "checkpoints" / name, after / "checkpoints" / name
        if old.is_file() and new.is_file():
            yield _compared_weights(name, _state(old), _state(new))


def _state(path: Path) -> dict[str, torch.Tensor]:
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True)["state_dict"])
    except Exception as error:  # whatever a damaged file makes torch raise
        raise ModelError(f"{path} cannot be read as a checkpoint: {error}") from error


def _compared_weights(
    name: str, before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]
) -> WeightDifference:
    largest, differing = 0.0, []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if old is None or new is None or old.shape != new.shape or old.dtype != new.dtype:
            differing.append(key)
        elif not bool(((old == new) | ((old != old) & (new != new))).all()):
            differing.append(key)
            scale = float(old.double().abs().max()) or 1.0
            largest = max(largest, float((new.double() - old.double()).abs().max()) / scale)
    return WeightDifference(
        name=name, tensors=len(before), differing=tuple(differing), largest=largest
    )


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"
