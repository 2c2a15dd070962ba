"""What a report needs to know of a run: read from its run directory, nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lightning_pose.contracts.errors import DataError
from lightning_pose.mlops.learning_curves import FILE as CURVES
from lightning_pose.mlops.learning_curves import Row, read_learning_curves
from lightning_pose.mlops.results import RunResults

METRICS = "metrics.json"


@dataclass(frozen=True, kw_only=True)
class ReportedRun:
    """A run as a report shows it.

    Attributes:
        results: its predictions and metrics, its configuration, and what made it.
        summary: numbers by part; of several views by view first.
        curves: a row for every validation.
    """

    results: RunResults
    summary: dict[str, Any]
    curves: list[Row]

    @property
    def name(self) -> str:
        """Return what tells it from the others."""
        return self.results.name

    @property
    def views(self) -> dict[str, dict[str, Any]]:
        """Return the numbers by part, by view; of a single view under an empty name."""
        is_one_view = any("images" in value for value in self.summary.values())
        return {"": self.summary} if is_one_view else self.summary


def reported_runs(runs: Sequence[RunResults]) -> list[ReportedRun]:
    """Return the runs with their numbers and curves.

    Raises:
        DataError: one was not trained to its end.
    """
    return [_read(run) for run in runs]


def _read(run: RunResults) -> ReportedRun:
    try:
        text = (run.folder / METRICS).read_text(encoding="utf-8")
        summary = json.loads(text)["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{run.folder / METRICS} cannot be read, so there are no numbers to report. The run "
            f"is {run.record.outcome}; carry it on with "
            f"`litpose train model.resume={run.folder}`."
        ) from error
    curves = run.folder / CURVES
    return ReportedRun(
        results=run,
        summary=summary,
        curves=read_learning_curves(curves) if curves.is_file() else [],
    )
