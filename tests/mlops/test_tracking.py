"""Runs are recorded in MLflow, and a store that fails never stops one."""

from __future__ import annotations

import json
import logging
import multiprocessing
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from openers import record_a_run

from lightning_pose.config.schema import TrackingConfig
from lightning_pose.contracts.errors import WriteError
from lightning_pose.mlops.tracking import RunTracker, start_tracking, writer
from lightning_pose.mlops.tracking.run_tracker import flat
from lightning_pose.mlops.tracking.store import StorePlace

PROCESSES = multiprocessing.get_context("forkserver")
PARAMS: dict[str, Any] = {"model": {"backbone": "resnet18", "params": {}}, "plugins": []}


def begin(folder: Path, **changes: Any) -> RunTracker:
    """Return a run in the default store of ``folder``."""
    wishes = {"uri": f"sqlite:///{folder}/mlflow.db", "artifact_dir": f"{folder}/mlruns"}
    wishes |= {"flush_s": 0.2, "system_metrics": False}
    arguments: dict[str, Any] = {
        "experiment": "mice",
        "run_name": "first",
        "params": PARAMS,
        "tags": {"model": "heatmap"},
        "spool": folder / "spool.jsonl",
    }
    config = TrackingConfig(**(wishes | changes.pop("wishes", {})))
    return start_tracking(config, **(arguments | changes))


def client(folder: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")


def test_load_of_the_machine_is_noted_at_the_step_that_was_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SYSTEM_EVERY_S", 0.0)
    tracker = begin(tmp_path, wishes={"system_metrics": True, "flush_s": 0.05})
    tracker.log_metrics({"total_loss": 1.0}, step=7)
    while not tracker.identity:
        time.sleep(0.05)
    store, run_id = client(tmp_path), tracker.identity["run_id"]
    history: list[Metric] = []
    while len(history) < 3:  # several writes with nothing else to write
        history = store.get_metric_history(run_id, "system/memory_percent")
        time.sleep(0.05)
    tracker.finish("finished")
    assert {point.step for point in history} == {7}


def test_a_run_holds_params_tags_metrics_and_files(tmp_path: Path) -> None:
    table = tmp_path / "predictions.csv"
    table.write_text("x")
    tracker = begin(tmp_path)
    for step in range(30):
        tracker.logger.log_metrics({"total_loss": 1.0 / (step + 1)}, step=step)
    tracker.log_artifact(table)
    assert tracker.finish("finished") == ()
    assert not (tmp_path / "spool.jsonl").exists()
    run = client(tmp_path).get_run(tracker.identity["run_id"])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "first"
    assert run.data.params == {"model.backbone": "resnet18"}
    assert run.data.tags["model"] == "heatmap"
    history = client(tmp_path).get_metric_history(run.info.run_id, "total_loss")
    assert [point.step for point in sorted(history, key=lambda p: p.step)] == list(range(30))
    assert (tmp_path / "mlruns" / "mice" / run.info.run_id / "artifacts" / table.name).is_file()


def test_of_very_fast_epochs_the_first_points_and_the_last_are_kept(tmp_path: Path) -> None:
    tracker = begin(tmp_path)
    for step in range(1000):
        tracker.logger.log_metrics({"loss": float(step)}, step)
    tracker.finish("finished")
    points = client(tmp_path).get_metric_history(tracker.identity["run_id"], "loss")
    steps = [point.step for point in points]
    assert steps[:100] == list(range(100))
    assert steps[-1] == 999
    assert len(steps) < 500
    assert [point.value for point in points] == [float(step) for step in steps]
    assert len(tracker.logger.history["loss"]) == 1000


def test_a_value_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    tracker = begin(tmp_path)
    tracker.log_metrics({"a": float("nan"), "b": 2.0}, step=1)
    tracker.finish("finished")
    run = client(tmp_path).get_run(tracker.identity["run_id"])
    assert run.data.metrics == {"b": 2.0}


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("failed", "FAILED"), ("interrupted", "KILLED"), ("finished", "FINISHED")],
)
def test_the_outcome_is_the_status(tmp_path: Path, outcome: str, status: str) -> None:
    tracker = begin(tmp_path)
    tracker.finish(outcome)
    assert client(tmp_path).get_run(tracker.identity["run_id"]).info.status == status


def test_a_resumed_run_is_the_same_run(tmp_path: Path) -> None:
    first = begin(tmp_path)
    first.log_metrics({"loss": 1.0}, step=1)
    first.finish("interrupted")
    second = begin(tmp_path, resume_id=first.identity["run_id"])
    second.log_metrics({"loss": 0.5}, step=2)
    second.finish("finished")
    assert second.identity == first.identity
    run = client(tmp_path).get_run(first.identity["run_id"])
    assert run.info.status == "FINISHED"
    assert len(client(tmp_path).get_metric_history(run.info.run_id, "loss")) == 2


def test_the_identity_is_told_as_soon_as_it_is_known(tmp_path: Path) -> None:
    told: list[dict[str, str]] = []
    tracker = begin(tmp_path, on_open=told.append)
    tracker.finish("finished")
    assert told == [tracker.identity]


def test_a_listener_that_cannot_write_does_not_end_the_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(identity: dict[str, str]) -> None:
        raise WriteError("run.json was not written: the disk is full.")

    with caplog.at_level(logging.WARNING):
        tracker = begin(tmp_path, on_open=refuse)
        tracker.log_metrics({"loss": 1.0}, step=7)
        assert tracker.finish("finished") == ()
    assert "the disk is full" in caplog.text
    run = client(tmp_path).get_run(tracker.identity["run_id"])
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 1.0})


def test_a_load_that_cannot_be_read_does_not_end_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> dict[str, float]:
        raise RuntimeError("the driver is gone")

    monkeypatch.setattr(writer, "system_metrics", fail)
    with caplog.at_level(logging.WARNING):
        tracker = begin(tmp_path, wishes={"system_metrics": True})
        tracker.log_metrics({"loss": 1.0}, step=7)
        assert tracker.finish("finished") == ()
    assert caplog.text.count("the driver is gone") == 1
    run = client(tmp_path).get_run(tracker.identity["run_id"])
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 1.0})


def test_a_garbage_database_is_one_warning_and_a_spool(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database" * 100)
    with caplog.at_level(logging.WARNING):
        tracker = begin(tmp_path)
        tracker.log_metrics({"loss": 1.0}, step=7)
        warnings = tracker.finish("finished")
    assert len([r for r in caplog.records if r.name.startswith("lightning_pose")]) == 1
    assert f"litpose track sync {tmp_path}" in warnings[0]
    lines = [json.loads(line) for line in (tmp_path / "spool.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["start", "metrics", "end"]
    assert lines[1]["values"] == {"loss": 1.0}
    assert lines[1]["step"] == 7


def test_a_store_whose_folder_is_a_file_does_not_stop_the_run(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    tracker = begin(tmp_path, wishes={"uri": f"sqlite:///{tmp_path}/taken/mlflow.db"})
    assert tracker.finish("finished")
    assert (tmp_path / "spool.jsonl").is_file()


def test_a_server_that_is_not_there_does_not_stop_the_run(tmp_path: Path) -> None:
    tracker = begin(tmp_path, wishes={"uri": "http://127.0.0.1:9", "artifact_dir": None})
    tracker.log_metrics({"loss": 1.0})
    assert tracker.finish("finished")


def test_a_run_that_is_not_tracked_writes_nothing(tmp_path: Path) -> None:
    tracker = begin(tmp_path, wishes={"enabled": False})
    tracker.logger.log_metrics({"loss": 1.0}, step=1)
    assert tracker.finish("finished") == ()
    assert list(tmp_path.iterdir()) == []


def test_processes_that_open_a_fresh_store_together_all_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"{here}:{here.parents[1]}")
    PROCESSES.set_forkserver_preload(["openers"])
    processes = [PROCESSES.Process(target=record_a_run, args=(tmp_path,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0] * 4
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("select count(*) from runs").fetchone() == (4,)


def test_relative_stores_are_made_absolute(tmp_path: Path) -> None:
    default = StorePlace.choose(uri=None, artifact_dir=None, cwd=tmp_path)
    assert default.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert default.artifacts == (tmp_path / "mlruns").as_uri()
    named = StorePlace.choose(uri="sqlite:///lab.db", artifact_dir="files", cwd=tmp_path)
    assert named.database == tmp_path / "lab.db"
    server = StorePlace.choose(uri="http://lab:5000", artifact_dir=None, cwd=tmp_path)
    assert server.artifacts == ""


def test_settings_become_dotted_texts() -> None:
    assert flat({"a": {"b": 1, "c": None, "d": {}}, "e": [1, 2]}) == {"a.b": "1", "e": "[1, 2]"}
