"""The trials of a sweep as a csv file, one row each."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from lightning_pose.contracts.files import write_text
from lightning_pose.mlops.sweeps.findings import Findings
from lightning_pose.mlops.sweeps.study import (
    ERROR,
    FOLDER,
    PROGRESS,
    REPEAT_OF,
    RETRIED_AS,
    RETRY_OF,
    SECONDS,
)

NOTES = (FOLDER, PROGRESS, SECONDS, RETRY_OF, RETRIED_AS, REPEAT_OF, ERROR)


def write_table(found: Findings, path: Path) -> Path:
    """Write trial, state, objectives, swept values and notes; return ``path``.

    What a trial has not, because it is not over or has not drawn it, is empty.
    """
    keys = list(dict.fromkeys(key for trial in found.trials for key in trial.params))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", *found.objective, *keys, *NOTES])
    for trial in found.trials:
        values = trial.values or [None] * len(found.objective)
        params = [trial.params.get(key) for key in keys]
        notes = [trial.user_attrs.get(key) for key in NOTES]
        writer.writerow([trial.number, trial.state.name, *values, *params, *notes])
    return write_text(path, text.getvalue())
