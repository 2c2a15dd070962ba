"""What a failing store did not take is uploaded later, all of it and once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from lightning_pose.config.schema import TrackingConfig
from lightning_pose.mlops.tracking import RunTracker, start_tracking, upload
from lightning_pose.mlops.tracking.spool import NAME
from tests.servers import postgres

STEPS = range(12)


def begin(folder: Path, uri: str) -> RunTracker:
    (folder / "run").mkdir(exist_ok=True)
    wishes = TrackingConfig(uri=uri, flush_s=0.05, system_metrics=False)
    return start_tracking(
        wishes,
        experiment="mice",
        run_name="first",
        params={"model": {"backbone": "resnet18"}},
        tags={"litpose.run_id": "abc"},
        spool=folder / "run" / NAME,
    )


def record(folder: Path, uri: str, harm: Callable[[], object]) -> tuple[str, ...]:
    """Record a run whose store is harmed in its middle; return the warnings."""
    table = folder / "run" / "predictions.csv"
    tracker = begin(folder, uri)
    table.write_text("x")
    while not tracker.identity:
        time.sleep(0.02)
    for step in STEPS:
        tracker.log_metrics({"loss": 1.0 / (step + 1)}, step=step)
        if step == STEPS[len(STEPS) // 2]:
            time.sleep(0.5)  # the first half is written
            harm()
    tracker.log_inputs({"labels.csv": {"path": "/data/labels.csv", "sha256": "1" * 64}})
    tracker.log_artifact(table)
    return tracker.finish("finished")


def only_run(uri: str) -> Run:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("mice")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def check_complete(uri: str) -> None:
    run = only_run(uri)
    history = MlflowClient(tracking_uri=uri).get_metric_history(run.info.run_id, "loss")
    assert sorted(point.step for point in history) == list(STEPS)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"model.backbone": "resnet18"}
    (entry,) = run.inputs.dataset_inputs
    assert entry.dataset.name == "labels.csv"
    files = MlflowClient(tracking_uri=uri).list_artifacts(run.info.run_id)
    assert [file.path for file in files] == ["predictions.csv"]


def sync_twice(folder: Path) -> None:
    """Upload, and once more from a copy of the spool, as after an upload that was cut short."""
    spool = folder / "run" / NAME
    kept = spool.read_text()
    for _ in range(2):
        spool.write_text(kept)
        assert upload(spool).failed == ""
        assert not spool.exists()


def test_postgresql_holds_a_run_and_what_it_did_not_take(tmp_path: Path) -> None:
    with postgres() as server:
        warnings = record(tmp_path, server.uri, server.stop)
        assert "track sync" in warnings[0]
        server.start()
        sync_twice(tmp_path)
        check_complete(server.uri)


def test_a_run_that_was_killed_is_uploaded_and_closed(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    tracker = begin(tmp_path, uri)
    tracker.log_metrics({"loss": 1.0}, step=1)
    while not tracker.identity:
        time.sleep(0.02)
    time.sleep(0.3)
    spool = tmp_path / "run" / NAME
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / NAME).write_text(spool.read_text() + '{"kind": "metr')  # as a kill leaves it
    assert upload(copy / NAME).failed == ""
    assert only_run(uri).info.status == "KILLED"
    assert only_run(uri).data.metrics == {"loss": 1.0}
    tracker.finish("finished")
