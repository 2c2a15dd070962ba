"""The settings of a sweep (``hydra.sweeper``), and which trial of it a training is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lightning_pose.contracts.errors import ConfigError

SAMPLERS = ("tpe", "random", "grid", "cmaes", "nsga2")
FOR_ONE_OBJECTIVE = ("cmaes",)
PRUNERS = ("none", "median", "hyperband", "patience")
OBJECTIVES = ("val_pixel_error", "predict_ms")
SQLITE = "sqlite:///"
SEED_KEY = "training.rng_seed_model_pt"  # of which repeats of the best configuration get others
LEARNING_EPOCHS = 5  # after losses on video begin to count, before a trial may be judged


@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """How a sweep is run; the file conf/hydra/sweeper/litpose_optuna.yaml explains each.

    Attributes:
        objective: what is minimised, one or two of ``OBJECTIVES``.
        max_epochs: the longest training, which hyperband shares out; None = not known.
    """

    n_trials: int | None = None
    study_name: str = "sweep"
    storage: str = ""
    objective: tuple[str, ...] = OBJECTIVES[:1]
    sampler: str = "tpe"
    seed: int = 0
    n_startup_trials: int = 10
    population_size: int = 20
    pruner: str = "none"
    warmup_epochs: int = 0
    patience: int = 5
    n_jobs: int = 1
    max_retries: int = 10
    repeat_best: int = 0
    accept_changes: bool = False
    max_epochs: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    conditions: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        """Check what can be checked without the search space.

        Raises:
            ConfigError: a value is not one of those there are.
        """
        _check_name("sampler", self.sampler, SAMPLERS)
        _check_name("pruner", self.pruner, PRUNERS)
        for name in self.objective:
            _check_name("objective", name, OBJECTIVES)
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise ConfigError(
                    f"hydra.sweeper.{name} = {value}: must be a whole number of at least {least}."
                )
        if len(self.objective) not in (1, 2) or len(set(self.objective)) < len(self.objective):
            raise ConfigError(
                "hydra.sweeper.objective: name one objective, or two different ones."
            )
        if len(self.objective) == 2:
            self._check_for_two_objectives()
        if self.objective[0] != OBJECTIVES[0]:
            raise ConfigError(
                f"hydra.sweeper.objective = {list(self.objective)}: begin with {OBJECTIVES[0]}; "
                "the fastest network alone is an untrained one."
            )

    def _check_for_two_objectives(self) -> None:
        if self.pruner != PRUNERS[0]:
            raise ConfigError(
                f"hydra.sweeper.pruner = {self.pruner}: trials with two objectives cannot be "
                "pruned; set it to none."
            )
        if self.sampler in FOR_ONE_OBJECTIVE:
            raise ConfigError(
                f"hydra.sweeper.sampler = {self.sampler}: searches for one objective only; for "
                "two take nsga2, tpe, random or grid."
            )
        if self.repeat_best:
            raise ConfigError(
                "hydra.sweeper.repeat_best: of two objectives there is no one best configuration "
                "to repeat; set it to 0."
            )

    @classmethod
    def read(cls, values: Mapping[str, Any], **more: Any) -> SweepSettings:
        """Return the settings in Hydra's section, with values that are worked out laid over them.

        Raises:
            ConfigError: a value is wrong.
        """
        known = set(cls.__dataclass_fields__)
        for name in ("params", "conditions"):
            if not isinstance(values.get(name) or {}, Mapping):
                raise ConfigError(f"hydra.sweeper.{name} = {values[name]}: write KEY: VALUES.")
        given = {k: v for k, v in {**values, **more}.items() if k in known and v is not None}
        objective = given.get("objective", OBJECTIVES[0])
        given["objective"] = (objective,) if isinstance(objective, str) else tuple(objective)
        return cls(**given)

    def first_judged_epoch(self, *, uses_video_losses: bool, freeze_until_epoch: int) -> int:
        """Return after how many epochs a training may be pruned."""
        if not uses_video_losses:
            return self.warmup_epochs
        return max(self.warmup_epochs, freeze_until_epoch + LEARNING_EPOCHS)


@dataclass(frozen=True, kw_only=True)
class TrialPlace:
    """Which trial of which sweep a training is.

    Attributes:
        settings: of the sweep; ``storage`` and ``study_name`` say where it is kept.
        number: of the trial.
        parent_run: the run of the sweep in the tracking store; empty if it has none.
        worker: the process that drew the trial, by the name that shows whether it lives.
    """

    settings: SweepSettings
    number: int
    parent_run: str = ""
    worker: str = ""

    @property
    def tags(self) -> dict[str, str]:
        """Return what the trial's run is tagged with; MLflow shows it under its parent then."""
        tags = {"study": self.settings.study_name, "trial": str(self.number)}
        return tags | ({"mlflow.parentRunId": self.parent_run} if self.parent_run else {})


_LEAST = {
    "n_trials": 1,
    "n_startup_trials": 0,
    "population_size": 2,
    "warmup_epochs": 0,
    "patience": 1,
    "n_jobs": 1,
    "max_retries": 0,
    "repeat_best": 0,
    "seed": 0,
}


def _check_name(key: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise ConfigError(f"hydra.sweeper.{key} = {name}: must be one of {', '.join(known)}.")
