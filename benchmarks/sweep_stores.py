"""A small sweep on the toy set, started as a user would, and what Optuna and MLflow hold of it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.trial import FrozenTrial, TrialState

from lightning_pose.mlops.sweeps.findings import findings_of
from lightning_pose.mlops.sweeps.study import find_study

STUDY = "rates"
EPOCHS = 20
SMALL = (
    "data=toy",
    "eval=none",
    "model.backbone=resnet18",
    "model.backbone_pretrained=false",
    "data.image_resize_dims.height=64",
    "data.image_resize_dims.width=64",
    "training.imgaug=default",
    "training.train_frames=16",
    "training.train_batch_size=8",
    "training.accelerator=cpu",
    "training.check_val_every_n_epoch=1",
    f"training.max_epochs={EPOCHS}",
    "training.optimizer_params.learning_rate=tag(log, interval(1e-5, 3e-2))",
)


def sweep_command(*more: str, trials: int = 12, seed: int = 0) -> list[str]:
    """Return the command of the sweep; ``more`` overrides come last and win."""
    sweeper = (
        "hydra/sweeper=litpose_optuna",
        f"hydra.sweeper.study_name={STUDY}",
        f"hydra.sweeper.n_trials={trials}",
        f"hydra.sweeper.seed={seed}",
        "hydra.sweeper.n_startup_trials=4",
        "hydra.sweeper.warmup_epochs=3",
    )
    return [
        sys.executable,
        "-m",
        "lightning_pose.cli.main",
        "train",
        "-m",
        *SMALL,
        *sweeper,
        *more,
    ]


def environment() -> dict[str, str]:
    """Return the variables for a process on one core."""
    return {"OMP_NUM_THREADS": "1"} | dict(os.environ)


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What both stores hold of a sweep.

    Attributes:
        trials: of Optuna, attempts that died included.
        parents, children: runs of MLflow.
        best_px: the lowest error.
        epochs: that the trials which count were trained.
    """

    trials: list[FrozenTrial]
    parents: list[Run]
    children: list[Run]
    best_px: float
    epochs: int

    @property
    def states(self) -> Counter[str]:
        """Return how many trials of Optuna are in each state."""
        return Counter(trial.state.name for trial in self.trials)

    @property
    def tags(self) -> Counter[tuple[str, str]]:
        """Return how many children in MLflow have each pair of status and trial_state."""
        return Counter((r.info.status, r.data.tags.get("trial_state", "")) for r in self.children)

    def problems(self, *, trials: int) -> list[str]:
        """Return what is not as it must be when a sweep of so many trials is over."""
        over = [t for t in self.trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        folders = [t.user_attrs["run_dir"] for t in over]
        numbers = [t.number for t in self.trials]
        dead = [t for t in self.trials if t.state == TrialState.FAIL]
        open_runs = [r for r in [*self.parents, *self.children] if r.info.status == "RUNNING"]
        ended = [
            r for r in self.children if r.data.tags.get("trial_state") in ("COMPLETE", "PRUNED")
        ]
        listed = sorted(int(run.data.tags["trial"]) for run in ended)
        checks = {
            f"{len(over)} trials are COMPLETE or PRUNED, not {trials}": len(over) == trials,
            "numbers are not unique": len(set(numbers)) == len(numbers),
            "two trials share a folder": len(set(folders)) == len(folders),
            "a dead attempt has no retried_as": all("retried_as" in t.user_attrs for t in dead),
            "a trial is not over": all(t.state.is_finished() for t in self.trials),
            f"{len(open_runs)} runs are RUNNING in MLflow": not open_runs,
            f"there are {len(self.parents)} parents": len(self.parents) == 1,
            "MLflow has other trials than Optuna": listed == sorted(t.number for t in over),
            "an ended trial is not FINISHED": all(r.info.status == "FINISHED" for r in ended),
        }
        return [problem for problem, holds in checks.items() if not holds]


def read_stores(folder: Path) -> Stores:
    """Return what the stores in the folder that the command was given in hold."""
    study = find_study(folder / "multirun" / STUDY)
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = client.search_runs(experiments, max_results=1000)
    parents = [run for run in runs if run.data.tags.get("kind") == "sweep"]
    ids = {run.info.run_id for run in parents}
    found = findings_of(study)
    return Stores(
        trials=study.get_trials(deepcopy=False),
        parents=parents,
        children=[run for run in runs if run.data.tags.get("mlflow.parentRunId") in ids],
        best_px=found.configurations[0].mean_px if found.configurations else float("nan"),
        epochs=found.epochs,
    )
