"""The sweep's own run in the tracking store, and how the runs of its trials end there."""

from __future__ import annotations

import contextlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from searching import SIGNATURE, SPACE, curve, settings_in

from lightning_pose.config.run_dirs import claim
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.contracts.sweeps import TrialPlace
from lightning_pose.mlops.sweeps.sweep_run import SweepRun
from lightning_pose.mlops.sweeps.trial import RunningTrial
from lightning_pose.mlops.sweeps.worker import Attempt, Worker
from lightning_pose.mlops.tracking.store import StorePlace

PARENT = "mlflow.parentRunId"


class Sweep:
    """A sweep in a folder with a store; each use of :meth:`worker` is a process of its own."""

    def __init__(self, folder: Path, *, uri: str | None = None) -> None:
        self.folder = folder
        self.place = StorePlace.choose(uri=uri, artifact_dir=None, cwd=folder)

    def worker(self, **changes: Any) -> Worker:
        settings = settings_in(self.folder, **changes)
        record = SweepRun(self.place, experiment="mice")
        return Worker(settings, SPACE, self.folder, SIGNATURE, claim=claim, record=record)

    def trial(self, attempt: Attempt, **changes: Any) -> RunningTrial:
        settings = settings_in(self.folder, **changes)
        return RunningTrial(TrialPlace(settings=settings, number=attempt.number))

    @cached_property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.place.uri)

    def child(self, attempt: Attempt, parent: str, *, is_known: bool = True) -> str:
        """Make the run of a trial, as its training would."""
        (experiment,) = self.client.search_experiments(filter_string="name = 'mice'")
        tags = {PARENT: parent, "run_dir": str(self.folder / attempt.folder)}
        run_id = self.client.create_run(experiment.experiment_id, tags=tags).info.run_id
        if is_known:
            record = RunRecord(run_id="0" * 32, tracking={"run_id": run_id})
            record.write(self.folder / attempt.folder / "run.json")
        return run_id

    def runs(self) -> list[Run]:
        ids = [one.experiment_id for one in self.client.search_experiments()]
        return list(self.client.search_runs(ids))

    def parent(self) -> Run:
        (run,) = [run for run in self.runs() if run.data.tags.get("kind") == "sweep"]
        return run


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


def finish(sweep: Sweep, **changes: Any) -> None:
    with sweep.worker(**changes) as worker:
        while attempts := worker.next_attempts():
            with worker.running(attempts):
                for attempt in attempts:
                    run_id = sweep.child(attempt, worker.record_id)
                    curve(attempt, sweep.trial(attempt, **changes))
                    sweep.client.set_terminated(run_id)


def test_the_parent_holds_what_was_found(sweep: Sweep) -> None:
    finish(sweep, n_trials=9, pruner="median", n_startup_trials=2)
    parent = sweep.parent()
    assert (parent.info.status, parent.info.run_name) == ("FINISHED", "sweep sweep")
    assert parent.data.params == {"rate": "interval"}
    assert parent.data.metrics["best_val_pixel_error"] == 11.25
    assert parent.data.metrics["trials_complete"] + parent.data.metrics["trials_pruned"] == 9
    assert sum(v for k, v in parent.data.metrics.items() if "importance/" in k) == pytest.approx(1)
    assert set(json.loads(parent.data.tags["best"])) >= {"rate", "losses"}
    files = [file.path for file in sweep.client.list_artifacts(parent.info.run_id)]
    assert files == ["figures", "report.html", "trials.csv"]
    drawn = sweep.client.list_artifacts(parent.info.run_id, "figures")
    assert [Path(file.path).stem for file in drawn] == [
        "importance",
        "learning_curves",
        "settings",
    ]
    lines = (sweep.folder / "trials.csv").read_text().splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("trial,state,val_pixel_error,rate,losses")


def test_children_are_told_how_their_trials_ended(sweep: Sweep) -> None:
    finish(sweep, n_trials=9, pruner="median", n_startup_trials=2)
    children = [run for run in sweep.runs() if PARENT in run.data.tags]
    assert len(children) == 9
    assert {run.data.tags["trial_state"] for run in children} == {"COMPLETE", "PRUNED"}
    assert {run.data.tags[PARENT] for run in children} == {sweep.parent().info.run_id}


def test_the_same_command_goes_on_with_the_same_parent(sweep: Sweep) -> None:
    finish(sweep, n_trials=2)
    before = sweep.parent()
    finish(sweep, n_trials=3)
    assert sweep.parent().info.run_id == before.info.run_id
    assert sweep.parent().data.metrics["trials_complete"] == 3


def test_runs_of_trials_that_died_are_closed(sweep: Sweep) -> None:
    with contextlib.suppress(KeyboardInterrupt), sweep.worker() as worker:
        attempts = worker.next_attempts()
        lost = sweep.child(attempts[0], worker.record_id, is_known=False)
        known = sweep.child(attempts[0], worker.record_id)
        with worker.running(attempts):
            raise KeyboardInterrupt
    runs = {run.info.run_id: run for run in sweep.runs()}
    assert sweep.parent().info.status == "KILLED"
    assert {runs[one].info.status for one in (lost, known)} == {"KILLED"}
    assert {runs[one].data.tags["trial_state"] for one in (lost, known)} == {"FAIL"}
    assert runs[known].data.tags["retried_as"] == "1"
    with sweep.worker(n_trials=1) as worker:
        (again,) = worker.next_attempts()
        sweep.client.update_run(known, status="RUNNING")
        with worker.running([again]):
            curve(again, sweep.trial(again))
            sweep.client.set_terminated(known)
    run = sweep.client.get_run(known)
    assert (run.info.status, run.data.tags["trial_state"]) == ("FINISHED", "COMPLETE")
    assert (run.data.tags["trial"], "retried_as" in run.data.tags) == ("1", False)
    assert sweep.parent().info.status == "FINISHED"


def test_a_store_that_fails_costs_the_parent_only(tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_text("no database")
    sweep = Sweep(tmp_path, uri=f"sqlite:///{broken}")
    with sweep.worker(n_trials=1) as worker:
        while attempts := worker.next_attempts():
            with worker.running(attempts):
                curve(attempts[0], sweep.trial(attempts[0]))
        assert worker.record_id == ""
        assert worker.study.trials[0].state.name == "COMPLETE"
