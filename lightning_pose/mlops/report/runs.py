"""What a report needs to know of a run: read from its run directory, nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.predictions import SETS
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops.learning_curves import FILE as CURVES
from lightning_pose.mlops.learning_curves import Row, read_learning_curves
from lightning_pose.mlops.results import distinct_names

METRICS, RECORD = "metrics.json", "run.json"
TRAIN, VALIDATION, TEST, _ = SETS
HELD_OUT = (TEST, VALIDATION, TRAIN)


@dataclass(frozen=True, kw_only=True)
class ReportedRun:
    """A run as a report shows it.

    Attributes:
        name: told from the others.
        folder: the run directory.
        record: what made it.
        summary: numbers by part; of several views by view first.
        curves: a row for every validation.
    """

    name: str
    folder: Path
    record: RunRecord
    summary: dict[str, Any]
    curves: list[Row]

    @property
    def views(self) -> dict[str, dict[str, Any]]:
        """Return the numbers by part, by view; of a single view under an empty name."""
        is_one_view = any("images" in value for value in self.summary.values())
        return {"": self.summary} if is_one_view else self.summary

    def held_out(self, view: str) -> tuple[str, dict[str, Any]]:
        """Return the part that errors are judged by, and its numbers: the test images if any."""
        parts = self.views[view]
        name = next((part for part in (*HELD_OUT, *parts) if part in parts), "")
        return name, parts.get(name, {})


def read_runs(folders: list[Path]) -> list[ReportedRun]:
    """Return the runs of these folders, named by what tells their paths apart.

    Raises:
        DataError: one is no run directory, or was not trained to its end.
    """
    names = distinct_names([folder.resolve() for folder in folders])
    return [_read(folder, name) for folder, name in zip(folders, names, strict=True)]


def _read(folder: Path, name: str) -> ReportedRun:
    record = RunRecord.read(folder / RECORD)
    try:
        summary = json.loads((folder / METRICS).read_text(encoding="utf-8"))["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{folder / METRICS} cannot be read, so there are no numbers to report. The run is "
            f"{record.outcome}; carry it on with `litpose train model.resume={folder}`."
        ) from error
    curves = folder / CURVES
    return ReportedRun(
        name=name,
        folder=folder,
        record=record,
        summary=summary,
        curves=read_learning_curves(curves) if curves.is_file() else [],
    )
