"""learning_curves.csv: one row a validation, as a plotting tool takes it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import write_text

FILE = "learning_curves.csv"
EPOCH, STEP = "epoch", "step"
CURVES = ("val_pixel_error", "val_supervised_loss", "train_supervised_loss")

History = Mapping[str, Sequence[tuple[int, float]]]
Row = dict[str, float]


def write_learning_curves(path: Path, history: History) -> Path:
    """Write a row for every validation; return ``path``.

    A row has the epoch, the step, and the last value of each curve up to that step, or its first
    if that came later: plotting tools draw an empty cell as 0. Of a training that was carried on,
    rows of earlier steps are kept.

    Args:
        path: of the csv.
        history: (step, value) of each metric.
    """
    rows = list(_rows(history))
    if rows and path.is_file():
        rows = [row for row in read_learning_curves(path) if row[STEP] < rows[0][STEP]] + rows
    names = [EPOCH, STEP, *(name for name in CURVES if any(name in row for row in rows))]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        whole = {EPOCH: int(row[EPOCH]), STEP: int(row[STEP])}
        writer.writerow({name: f"{row[name]:.6g}" for name in row} | whole)
    return write_text(path, text.getvalue())


def read_learning_curves(path: Path) -> list[Row]:
    """Return the rows of a file; empty cells are left out of their row.

    Raises:
        DataError: it is not such a file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            read = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} does not hold learning curves: {error}") from error
    if any(STEP not in row or EPOCH not in row for row in read):
        raise DataError(f"{path} does not hold learning curves: a row has no step or no epoch.")
    return read


def _rows(history: History) -> list[Row]:
    """Return the row of each validation, in order of its step."""
    curves = {name: dict(history[name]) for name in CURVES if history.get(name)}
    epochs = dict(history.get(EPOCH, ()))
    rows: list[Row] = []
    for step in sorted(curves.get(CURVES[0], ())):
        row: Row = {EPOCH: epochs.get(step, 0.0), STEP: step}
        for name, values in curves.items():
            before = [at for at in values if at <= step]
            row[name] = values[max(before) if before else min(values)]
        rows.append(row)
    return rows
