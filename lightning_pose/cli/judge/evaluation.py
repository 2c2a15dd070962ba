"""Labelled sets: predictions.csv, metric csv files and metrics.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_pose.cli.run_metrics import metrics_of
from lightning_pose.cli.terminal import say, say_table
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import SETS, Predictions
from lightning_pose.inference.model import Model
from lightning_pose.metrics.summary import Summary, summarise_labels
from lightning_pose.metrics.views import (
    ALL_VIEWS,
    computed_by_view,
    labels_side_by_side,
    predictions_side_by_side,
)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A labelled set that was predicted.

    Attributes:
        predictions: one table a view.
        summary: what metrics.json holds, by part; by view first if there are several, the last
            one being ``all_views``.
        files: what was written.
        failures: metrics that could not be computed, one sentence each.
    """

    predictions: tuple[Predictions, ...]
    summary: Summary
    files: tuple[Path, ...]
    failures: tuple[str, ...] = ()


def evaluate_labels(
    model: Model,
    tables: Sequence[LabelTable],
    sets: Sequence[str],
    *,
    out: Path,
    name: str = "predictions",
    bboxes: dict[str, Any] | None = None,
    batch_size: int | None = None,
) -> Evaluation:
    """Predict a labelled set, write its files into ``out`` and return its numbers.

    Args:
        model: a trained model.
        tables: the labels, one table a view.
        sets: part of each row.
        out: folder.
        name: stem of the predictions file; those of several views have the view's name added.
        bboxes: box of each image by its path.
        batch_size: images at a time; None = what is fast.
    """
    found = model.predict_labels(tables, sets, bboxes=bboxes, batch_size=batch_size)
    stems = [f"{name}_{view}" for view in model.view_names] or [name]
    built = metrics_of(model)
    failures = list(built.failures)
    files = [
        predictions.write(out / f"{stem}.csv")
        for stem, predictions in zip(stems, found, strict=True)
    ]
    for metric in built.metrics:
        if metric.needs_video:
            continue
        try:
            values = computed_by_view(metric, found, tables, view_names=model.view_names)
        except DataError as error:
            failures.append(str(error))
            continue
        files += [
            of_view.to_csv(out / f"{stem}_{metric.name}.csv")
            for stem, of_view in zip(stems, values, strict=True)
        ]
    return Evaluation(
        predictions=tuple(found),
        summary=_summary(found, tables, model.view_names),
        files=tuple(files),
        failures=tuple(dict.fromkeys(failures)),
    )


def by_view(summary: Summary, views: Sequence[str]) -> dict[str, Summary]:
    """Return the numbers of each view of an evaluation, those of all views last.

    Args:
        summary: of an :class:`Evaluation`.
        views: of the model; of one view its numbers come back under an empty name.
    """
    if len(views) <= 1:
        return {"": summary}
    return {view: summary[view] for view in (*views, ALL_VIEWS)}


def say_summary(summary: Summary, views: Sequence[str]) -> None:
    """Print the table of a labelled set, one a view if there are several."""
    for view, numbers in by_view(summary, views).items():
        if view:
            say(view.replace("_", " ") if view == ALL_VIEWS else view)
        say_table(summary_rows(numbers), SUMMARY_HEADER)


def write_summary(path: Path, summary: Summary) -> Path:
    """Write metrics.json; numbers that do not exist are null."""
    return write_text(path, json.dumps(_without_nan(summary), indent=2, allow_nan=False) + "\n")


def summary_rows(summary: Summary) -> list[tuple[object, ...]]:
    """Return the rows of the table that is shown for a labelled set, one a part."""
    parts = [part for part in SETS if part in summary]
    parts += [part for part in summary if part not in SETS]
    return [_row(part, summary[part]) for part in parts]


SUMMARY_HEADER = (
    "set",
    "images",
    "points",
    "mean px",
    "95 %",
    "median px",
    "p90 px",
    "within 5 px",
    "occluded px",
)


def _row(part: str, numbers: Summary) -> tuple[object, ...]:
    low, high = numbers.get("mean_px_95", (None, None))
    return (
        part,
        numbers["images"],
        numbers["n"],
        numbers.get("mean_px"),
        f"{low:.2f} to {high:.2f}" if low is not None and low == low else "-",
        numbers.get("median_px"),
        numbers.get("p90_px"),
        f"{numbers['pck_5px']:.0%}" if "pck_5px" in numbers else "-",
        numbers.get("occluded", {}).get("median_px"),
    )


def _summary(
    predictions: Sequence[Predictions], tables: Sequence[LabelTable], views: Sequence[str]
) -> Summary:
    numbers = [summarise_labels(*pair) for pair in zip(predictions, tables, strict=True)]
    if len(numbers) == 1:
        return numbers[0]
    joint = summarise_labels(
        predictions_side_by_side(predictions, views), labels_side_by_side(tables, views)
    )
    return dict(zip(views, numbers, strict=True)) | {ALL_VIEWS: joint}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value
