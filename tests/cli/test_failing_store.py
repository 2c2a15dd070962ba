"""A store that fails in the middle of a training costs neither the model nor the record."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run

from lightning_pose.cli.train.recorded_run import PATCH
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops.tracking.spool import NAME
from lightning_pose.training.progress import TrainingProgress
from tests.cli.conftest import TINY, Done, litpose, tiny_data
from tests.servers import mlflow_server

WRITE_VERSION_AT = 18  # a byte of SQLite's header; above 2 the file is read-only, for root too
NOW_AND_THEN = ("frames_per_second", "data_wait_share")  # by the clock
PATIENT = 120.0

Harm = Callable[[Path], contextlib.AbstractContextManager[object]]


@contextlib.contextmanager
def deleted(database: Path) -> Iterator[None]:
    database.unlink()
    yield


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(database, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.rollback()


@contextlib.contextmanager
def read_only(database: Path) -> Iterator[None]:
    with locked(database):
        before = _write_version(database, 3)
    yield
    _write_version(database, before)


def _write_version(database: Path, version: int) -> int:
    with database.open("r+b") as file:
        file.seek(WRITE_VERSION_AT)
        before = file.read(1)[0]
        file.seek(WRITE_VERSION_AT)
        file.write(bytes([version]))
    return before


def train(
    toy: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[], object], *words: str
) -> Done:
    """Train in the current folder; the harm is done in the first epoch of two."""
    after_epoch = TrainingProgress.on_train_epoch_end

    def then_harm(self: TrainingProgress, trainer: Any, pl_module: Any) -> None:
        after_epoch(self, trainer, pl_module)
        if trainer.current_epoch == 0:
            record = Path(trainer.default_root_dir) / "run.json"
            until = time.monotonic() + PATIENT
            while not RunRecord.read(record).tracking and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(0.5)  # something is written
            harm()

    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "on_train_epoch_end", then_harm)
        return litpose("train", "data=toy", tiny_data(toy), *TINY, "tracking.flush_s=0.1", *words)


def sync() -> None:
    """Upload in a process of its own: this one still has the store open that was deleted."""
    words = [sys.executable, "-m", "lightning_pose.cli.main", "track", "sync"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENT)
    assert done.returncode == 0, done.stdout + done.stderr


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return torch.load(run_dir / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]


def contents(client: MlflowClient, run: Run) -> dict[str, object]:
    """Return what a run holds, without what differs from one training to the next."""
    files: list[str] = []
    folders = [""]
    while folders:
        for entry in client.list_artifacts(run.info.run_id, folders.pop()):
            (folders if entry.is_dir else files).append(entry.path)
    metrics = {
        name: sorted(point.step for point in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
        if not name.startswith("system/") and name not in NOW_AND_THEN
    }
    return {
        "status": run.info.status,
        "params": set(run.data.params) - {"tracking.uri"},
        "tags": set(run.data.tags) - {"git_diff_sha256"},  # the code may be edited meanwhile
        "metrics": metrics,
        "files": sorted(set(files) - {PATCH}),
        "inputs": sorted(entry.dataset.name for entry in run.inputs.dataset_inputs),
        "models": len(run.outputs.model_outputs),
    }


def check_complete(harmed: Path, whole: Path) -> None:
    """Check that the store holds the harmed run once, as it holds one that nothing happened to."""
    found = []
    for run_dir in (whole, harmed):
        record = RunRecord.read(run_dir / "run.json")
        client = MlflowClient(tracking_uri=record.tracking["uri"])
        experiment = client.get_experiment_by_name(record.tracking["experiment"])
        assert experiment is not None
        runs = client.search_runs(
            [experiment.experiment_id], f"tags.`litpose.run_id` = '{record.run_id}'"
        )
        assert [run.info.run_id for run in runs] == [record.tracking["run_id"]]
        found.append(contents(client, runs[0]))
    assert found[1] == found[0]
    same = weights(harmed), weights(whole)
    assert all(torch.equal(same[0][name], same[1][name]) for name in same[1])


@pytest.mark.parametrize(
    "harm",
    [deleted, *(pytest.param(harm, marks=pytest.mark.long) for harm in (read_only, locked))],
)
def test_a_store_that_fails_gets_the_whole_run_once(
    harm: Harm, toy: Path, run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.ExitStack() as harmed:
        done = train(toy, monkeypatch, lambda: harmed.enter_context(harm(tmp_path / "mlflow.db")))
        assert done.code == 0, done.err
        assert "litpose track sync" in done.sentences
    spool = done.run_dir / NAME
    kept = spool.read_text()
    sync()
    assert not spool.exists()
    check_complete(done.run_dir, run_dir)
    spool.write_text(kept)  # as after an upload that was cut short at its very end
    sync()
    check_complete(done.run_dir, run_dir)


@pytest.mark.long
def test_a_server_that_stops_gets_the_whole_run_once(
    toy: Path, run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.ExitStack() as running:
        server = running.enter_context(mlflow_server(tmp_path / "server"))
        done = train(toy, monkeypatch, running.close, f"tracking.uri={server.uri}")
    assert done.code == 0, done.err
    assert "litpose track sync" in done.sentences
    with mlflow_server(tmp_path / "server", port=server.port):
        sync()
        check_complete(done.run_dir, run_dir)
