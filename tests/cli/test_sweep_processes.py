"""Sweeps as users start them: several processes at once, each file of sweeps/, other launchers."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from lightning_pose.config.assets import sweeps_dir
from lightning_pose.mlops.sweeps.study import find_study
from tests.cli.conftest import TINY, litpose, tiny_data

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
CHECKOUT = Path(__file__).resolve().parents[2]
SEARCH = (
    *(word for word in TINY if "max_epochs" not in word),
    "training.max_epochs=1",
    "eval=none",
    "hydra/sweeper=litpose_optuna",
    "hydra.sweeper.study_name=shared",
    "training.optimizer_params.learning_rate=tag(log, interval(1e-5, 1e-2))",
)
SWEEPS = [
    path.stem
    for path in sorted(sweeps_dir().glob("*.yaml"))
    if "litpose_optuna" in path.read_text()
]


def begin(toy: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    words = ["train", "-m", "data=toy", tiny_data(toy), *SEARCH, *more]
    return subprocess.Popen(
        [sys.executable, "-m", "lightning_pose.cli.main", *words],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def numbers_and_runs(folder: Path) -> tuple[list[str], int]:
    """Return the states of the trials, and how many runs MLflow holds; none may be open there."""
    states = [trial.state.name for trial in find_study(folder / "multirun" / "shared").trials]
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    ids = [one.experiment_id for one in client.search_experiments()]
    runs = client.search_runs(ids)
    assert {run.info.status for run in runs} == {"FINISHED"}
    folders = [run.data.tags["run_dir"] for run in runs]
    assert len(set(folders)) == len(folders)
    return states, len(runs)


@pytest.mark.parametrize(
    ("number", "store"), [(8, ()), (4, ("hydra.sweeper.storage=sqlite:///optuna.db",))]
)
def test_processes_that_start_at_once_on_fresh_stores_share_a_sweep(
    toy: Path, tmp_path: Path, number: int, store: tuple[str, ...]
) -> None:
    workers = [begin(toy, tmp_path, "hydra.sweeper.n_trials=8", *store) for _ in range(number)]
    errors = [worker.communicate(timeout=800)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * number, errors
    assert numbers_and_runs(tmp_path) == (["COMPLETE"] * 8, 9)


@pytest.mark.parametrize(
    ("launcher", "package"),
    [
        ("basic", "hydra"),
        ("joblib", "hydra_plugins.hydra_joblib_launcher"),
        ("submitit_local", "hydra_plugins.hydra_submitit_launcher"),
        ("ray", "hydra_plugins.hydra_ray_launcher"),
    ],
)
def test_trials_run_through_each_launcher(
    toy: Path, tmp_path: Path, launcher: str, package: str
) -> None:
    if find_spec(package.partition(".")[0]) is None or find_spec(package) is None:
        pytest.skip(f"hydra/launcher={launcher} is not installed")
    more = (f"hydra/launcher={launcher}", "hydra.sweeper.n_jobs=2", "hydra.sweeper.n_trials=4")
    worker = begin(toy, tmp_path, *more)
    _, errors = worker.communicate(timeout=800)
    assert worker.returncode == 0, errors
    assert numbers_and_runs(tmp_path) == (["COMPLETE"] * 4, 5)


@pytest.mark.parametrize("name", SWEEPS)
def test_each_sweep_that_comes_along_runs_a_trial(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file: Any = yaml.safe_load((sweeps_dir() / f"{name}.yaml").read_text())
    swept = file["hydra"]["sweeper"]["params"]
    short = [word for word in TINY if word.partition("=")[0] not in swept]
    alone = [
        "hydra.sweeper.n_trials=1",
        "hydra.sweeper.pruner=none",
        "hydra.sweeper.repeat_best=0",
        "callbacks.anneal_weight.init_val=1",  # else two epochs are too few for losses on video
    ]
    done = litpose(
        "train", "-m", f"+sweeps={name}", "data=toy", tiny_data(toy), *short, "eval=none", *alone
    )
    assert done.code == 0, done.err
    study = find_study(tmp_path / "multirun" / name)
    (trial,) = [one for one in study.trials if one.state.name != "WAITING"]  # of a grid
    assert trial.state.name == "COMPLETE"
    assert set(trial.params) <= set(swept)
    assert litpose("sweep", "report", f"multirun/{name}").code == 0
