"""What the tracking store is told about a run because it is a trial of a sweep."""

from __future__ import annotations

import logging
from pathlib import Path

from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops.sweeps.trial import RunningTrial

RECORD = "run.json"
_logger = logging.getLogger(__name__)


def tag_trial(run_dir: Path, trial: RunningTrial) -> None:
    """Set the tags ``trial_state``, ``trial`` and ``study`` on the run of a trial, if it has one.

    A trial that is not over, being interrupted, has the state RUNNING. A store that fails costs
    the tags only.
    """
    path = run_dir / RECORD
    identity = RunRecord.read(path).tracking if path.is_file() else {}
    if not identity:
        return
    tags = {
        "trial_state": trial.state,
        "trial": str(trial.number),
        "study": trial.study.study_name,
    }
    try:
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=identity["uri"])
        for key, value in tags.items():
            client.set_tag(identity["run_id"], key, value)
    except Exception as error:  # whatever a store or its drivers raise
        _logger.warning("The run of trial %s could not be tagged: %s", trial.number, error)
