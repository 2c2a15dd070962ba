"""What a sweep has found so far: the best configurations, what mattered, what it cost."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_pose.mlops.sweeps.importance import importance_of
from lightning_pose.mlops.sweeps.study import (
    DEVICE,
    PROGRESS,
    RETRIED_AS,
    SECONDS,
    SETTINGS,
    wanted_trials,
)

SEEDS = ("training.rng_seed_", "dali.general.seed")
RETRIED = "RETRIED"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Complete trials that differ in seeds only.

    Attributes:
        params: swept key -> value, seeds left out.
        trials: their numbers.
        errors_px: their validation pixel errors.
    """

    params: dict[str, Any]
    trials: tuple[int, ...]
    errors_px: tuple[float, ...]

    @property
    def mean_px(self) -> float:
        """Return the mean error."""
        return statistics.fmean(self.errors_px)

    @property
    def spread_px(self) -> float | None:
        """Return the standard deviation over seeds; None for one seed."""
        return statistics.stdev(self.errors_px) if len(self.errors_px) > 1 else None


@dataclass(frozen=True, kw_only=True)
class Unbeaten:
    """A complete trial that no other one beats in every objective.

    Attributes:
        number: of the trial.
        values: of the objectives.
        params: swept key -> value.
    """

    number: int
    values: tuple[float, ...]
    params: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """A sweep as it stands.

    Attributes:
        name: of the study.
        objective: what is minimised.
        fixed: settings that were not swept and that the command line gave.
        wanted: number of trials it is to have.
        states: number of trials in each state; attempts that were begun again are RETRIED.
        configurations: complete ones, the best first.
        unbeaten: with two objectives, the trials to choose from, the lowest error first.
        importance: swept key -> share of the differences it explains, 0..1; empty if too few.
        device_hours: by device; attempts that died count up to their last validation.
        epochs: trained by the trials that count.
        epochs_spared: that pruned trials did not train, of those that the longest trial did.
        trials: all of them.
    """

    name: str
    objective: tuple[str, ...]
    fixed: tuple[str, ...]
    wanted: int
    states: dict[str, int]
    configurations: tuple[Configuration, ...]
    unbeaten: tuple[Unbeaten, ...]
    importance: dict[str, float]
    device_hours: dict[str, float]
    epochs: int
    epochs_spared: int
    trials: tuple[FrozenTrial, ...]

    def number_in(self, *states: str) -> int:
        """Return how many trials are in these states, those that were begun again left out."""
        return sum(self.states.get(state, 0) for state in states)


def findings_of(study: optuna.Study) -> Findings:
    """Return what a study holds."""
    trials = tuple(study.get_trials(deepcopy=False))
    states = Counter(
        RETRIED if RETRIED_AS in trial.user_attrs else trial.state.name for trial in trials
    )
    settings = study.user_attrs.get(SETTINGS, {})
    epochs, spared = _epochs(trials)
    return Findings(
        name=study.study_name,
        objective=tuple(settings.get("objective", ["val_pixel_error"])),
        fixed=tuple(settings.get("fixed", ())),
        wanted=wanted_trials(study),
        states=dict(sorted(states.items())),
        configurations=_configurations(trials),
        unbeaten=_unbeaten(study),
        importance=importance_of(trials),
        device_hours=_device_hours(trials),
        epochs=epochs,
        epochs_spared=spared,
        trials=trials,
    )


def _configurations(trials: Sequence[FrozenTrial]) -> tuple[Configuration, ...]:
    groups: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            groups.setdefault(json.dumps(_without_seeds(trial), sort_keys=True), []).append(trial)
    found = [
        Configuration(
            params=_without_seeds(members[0]),
            trials=tuple(trial.number for trial in members),
            errors_px=tuple(float(trial.values[0]) for trial in members),
        )
        for members in groups.values()
    ]
    return tuple(sorted(found, key=lambda one: one.mean_px))


def _unbeaten(study: optuna.Study) -> tuple[Unbeaten, ...]:
    if len(study.directions) == 1:
        return ()
    found = [
        Unbeaten(number=t.number, values=tuple(t.values), params=t.params)
        for t in study.best_trials
    ]
    return tuple(sorted(found, key=lambda one: one.values))


def _without_seeds(trial: FrozenTrial) -> dict[str, Any]:
    return {key: value for key, value in trial.params.items() if not key.startswith(SEEDS)}


def _device_hours(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    hours: Counter[str] = Counter()
    for trial in trials:
        device = trial.user_attrs.get(DEVICE)
        if device is not None:
            hours[device["name"]] += trial.user_attrs.get(SECONDS, 0.0) * device["number"] / 3600
    return dict(hours)


def _epochs(trials: Sequence[FrozenTrial]) -> tuple[int, int]:
    """Return the epochs of trials that count, and those that pruned ones were spared."""
    done = {t.number: _last_epoch(t) for t in trials if RETRIED_AS not in t.user_attrs}
    longest = max(done.values(), default=0)
    pruned = (t.number for t in trials if t.state == TrialState.PRUNED)
    return sum(done.values()), sum(longest - done[number] for number in pruned)


def _last_epoch(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get(PROGRESS, max(trial.intermediate_values, default=0)))
