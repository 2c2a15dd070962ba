"""A sweep of real trainings: pruned, tracked, looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient

from lightning_pose.mlops.sweeps.study import find_study
from lightning_pose.training.progress import TrainingProgress
from tests.cli.conftest import TINY, Done, litpose, tiny_data

FOLDER = Path("multirun/learning_rate")


@pytest.fixture(scope="module")
def sweep(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """Return the folder of a sweep whose second trial learns nothing, and what was said."""
    work = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        done = litpose(
            "train",
            "-m",
            "data=toy",
            tiny_data(toy),
            *TINY,
            "training.max_epochs=4",
            "training.check_val_every_n_epoch=1",
            "eval=none",
            "hydra/sweeper=litpose_optuna",
            "hydra.sweeper.sampler=grid",
            "hydra.sweeper.pruner=median",
            "hydra.sweeper.n_startup_trials=1",
            "hydra.sweeper.warmup_epochs=1",
            "training.optimizer_params.learning_rate=0.003,0.0000001",
        )
    assert done.code == 0, done.err
    return work / FOLDER, done


def record(folder: Path, trial: int) -> Any:
    return json.loads((folder / str(trial) / "run.json").read_text())


def test_a_trial_without_prospect_ends_early_and_is_not_evaluated(
    sweep: tuple[Path, Done],
) -> None:
    folder, done = sweep
    assert "Trial 1 was pruned after 2 epochs." in done.sentences
    assert [record(folder, trial)["outcome"] for trial in (0, 1)] == ["finished", "pruned"]
    assert (folder / "1" / "checkpoints" / "last.ckpt").is_file()
    assert not (folder / "1" / "predictions.csv").exists()
    assert (folder / "0" / "predictions.csv").exists()


def test_the_tracking_store_knows_the_state_of_each_trial(sweep: tuple[Path, Done]) -> None:
    folder, _ = sweep
    for trial, state in enumerate(("COMPLETE", "PRUNED")):
        identity = record(folder, trial)["tracking"]
        run = MlflowClient(tracking_uri=identity["uri"]).get_run(identity["run_id"])
        assert (run.info.status, run.data.tags["trial_state"]) == ("FINISHED", state)
        assert run.data.tags["study"] == "learning_rate"


def test_the_trials_lie_under_the_run_of_the_sweep(sweep: tuple[Path, Done]) -> None:
    folder, done = sweep
    identity = record(folder, 0)["tracking"]
    client = MlflowClient(tracking_uri=identity["uri"])
    parent = client.get_run(record(folder, 0)["parent"])
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"training.optimizer_params.learning_rate": "0.003,0.0000001"}
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    )
    assert sorted(run.data.tags["trial"] for run in children) == ["0", "1"]
    assert parent.data.metrics["best_val_pixel_error"] == pytest.approx(
        record(folder, 0)["metrics"]["val_pixel_error"]
    )
    assert f"sweep: {folder}" in done.out.splitlines()[-1]


def test_status_and_report_show_the_best_trial(sweep: tuple[Path, Done]) -> None:
    folder, _ = sweep
    status = litpose("sweep", "status", folder, "--json").json
    assert status["states"] == {"COMPLETE": 1, "PRUNED": 1}
    assert status["best"] == {"training.optimizer_params.learning_rate": "0.003"}
    assert "learning_rate=0.003" in litpose("sweep", "status", folder).out
    done = litpose("sweep", "report", folder)
    assert done.out == f"report: {folder / 'report.html'}\n"
    assert f"validation pixel error <b>{status['best_px']:.2f} px" in (
        folder / "report.html"
    ).read_text(encoding="utf-8")


def test_a_folder_that_is_no_sweep_is_told(tmp_path: Path) -> None:
    done = litpose("sweep", "status", tmp_path)
    assert (done.code, "is no folder of a sweep" in done.sentences) == (2, True)


def test_a_trial_that_fails_is_recorded_and_the_others_go_on(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_epoch = TrainingProgress.on_train_epoch_end

    def too_large(self: TrainingProgress, trainer: Any, pl_module: Any) -> None:
        if trainer.default_root_dir.endswith("/1"):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")
        after_epoch(self, trainer, pl_module)

    monkeypatch.setattr(TrainingProgress, "on_train_epoch_end", too_large)
    done = litpose(
        *("train", "-m", "data=toy", tiny_data(toy), *TINY, "eval=none"),
        *("hydra/sweeper=litpose_optuna", "hydra.sweeper.sampler=grid"),
        "training.optimizer_params.learning_rate=1e30,0.002,0.003",
    )
    assert done.code == 0, done.err
    trials = find_study(tmp_path / FOLDER).trials
    assert [trial.state.name for trial in trials] == ["FAIL", "FAIL", "COMPLETE"]
    assert "became nan" in trials[0].user_attrs["error"]
    assert "out of memory" in trials[1].user_attrs["error"]
    for number, (status, state) in enumerate(
        [*[("FAILED", "FAIL")] * 2, ("FINISHED", "COMPLETE")]
    ):
        identity = record(tmp_path / FOLDER, number)["tracking"]
        run = MlflowClient(tracking_uri=identity["uri"]).get_run(identity["run_id"])
        assert (run.info.status, run.data.tags["trial_state"]) == (status, state)
