"""What the processes of test_tracking do, in a module that they can import."""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow.tracking  # noqa: F401  here, so that all processes open the store at one time

from lightning_pose.config.schema import TrackingConfig
from lightning_pose.mlops.tracking import start_tracking


def record_a_run(folder: Path) -> None:
    """Record a run in the default store of ``folder``; exit with the number of warnings."""
    wishes = TrackingConfig(
        uri=f"sqlite:///{folder}/mlflow.db",
        artifact_dir=str(folder / "mlruns"),
        system_metrics=False,
    )
    tracker = start_tracking(
        wishes, experiment="e", run_name="r", params={}, tags={}, spool=folder / "spool.jsonl"
    )
    tracker.log_metrics({"loss": 1.0}, step=1)
    sys.exit(len(tracker.finish("finished")))
