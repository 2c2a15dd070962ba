"""What a sweep has found so far: the best configurations, what mattered, what it cost."""

from __future__ import annotations

import json
import math
import statistics
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_pose.mlops.sweeps.study import (
    DEVICE,
    ERROR,
    RETRIED_AS,
    SECONDS,
    SETTINGS,
    counted,
    wanted_trials,
)

SEEDS = ("training.rng_seed_", "dali.general.seed")
FEWEST_FOR_IMPORTANCE = 4
EDGE = 0.05


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
        wanted: number of trials it is to have.
        states: number of trials in each state; attempts that were begun again are RETRIED.
        configurations: complete ones, the best first.
        unbeaten: with two objectives, the trials to choose from, the lowest error first.
        importance: swept key -> share of the differences it explains, 0..1; empty if too few.
        device_hours: by device; attempts that died count up to their last validation.
        trials: all of them.
    """

    name: str
    objective: tuple[str, ...]
    wanted: int
    states: dict[str, int]
    configurations: tuple[Configuration, ...]
    unbeaten: tuple[Unbeaten, ...]
    importance: dict[str, float]
    device_hours: dict[str, float]
    trials: tuple[FrozenTrial, ...]


def findings_of(study: optuna.Study) -> Findings:
    """Return what a study holds."""
    trials = tuple(study.get_trials(deepcopy=False))
    states = Counter(
        "RETRIED" if RETRIED_AS in trial.user_attrs else trial.state.name for trial in trials
    )
    settings = study.user_attrs.get(SETTINGS, {})
    return Findings(
        name=study.study_name,
        objective=tuple(settings.get("objective", ["val_pixel_error"])),
        wanted=wanted_trials(study),
        states=dict(sorted(states.items())),
        configurations=_configurations(trials),
        unbeaten=_unbeaten(study),
        importance=_importance(study),
        device_hours=_device_hours(trials),
        trials=trials,
    )


def next_steps(found: Findings) -> list[str]:
    """Return what to try next, each in a sentence."""
    steps = list(_unfinished(found))
    if not found.configurations:
        return [*steps, "No trial is complete yet; look at the reasons of the failed ones."]
    best = found.configurations[0]
    overrides = " ".join(f"'{key}={value}'" for key, value in best.params.items())
    seeds = "training.rng_seed_model_pt=0,1,2,3,4"
    if len(best.errors_px) < 3:
        steps.append(
            "Train the best configuration with several seeds before it is believed: "
            f"litpose train -m {overrides} {seeds}"
        )
    second = found.configurations[1] if len(found.configurations) > 1 else None
    spread = best.spread_px
    if second is not None and spread is not None and second.mean_px - best.mean_px < spread:
        steps.append(
            f"The two best differ by {second.mean_px - best.mean_px:.2f} px, less than seeds do "
            f"({spread:.2f} px): take the cheaper one, or try more seeds."
        )
    steps += list(_at_an_edge(found, best))
    idle = [key for key, share in found.importance.items() if share < EDGE]
    if idle and len(idle) < len(found.importance):
        steps.append(f"{', '.join(idle)} hardly mattered: fix it and search the others finer.")
    return steps


def _unfinished(found: Findings) -> list[str]:
    over = len(counted(found.trials))
    steps = []
    if over < found.wanted:
        steps.append(
            f"{found.wanted - over} of {found.wanted} trials are still to come: the command that "
            "began the sweep carries it on."
        )
    errors = [t.user_attrs[ERROR] for t in found.trials if ERROR in t.user_attrs]
    if errors:
        steps.append(f"{len(errors)} trials failed, the last because: {errors[-1]}")
    return steps


def _at_an_edge(found: Findings, best: Configuration) -> list[str]:
    trial = found.trials[best.trials[0]]
    steps = []
    for key, space in trial.distributions.items():
        if not hasattr(space, "low") or key.startswith(SEEDS) or space.single():
            continue
        low, high = float(getattr(space, "low")), float(getattr(space, "high"))  # noqa: B009
        value = float(trial.params[key])
        if getattr(space, "log", False):
            low, high, value = math.log(low), math.log(high), math.log(value)
        place = (value - low) / (high - low)
        if not EDGE <= place <= 1 - EDGE:
            way = "down" if place < EDGE else "up"
            steps.append(
                f"The best {key} ({trial.params[key]:.4g}) lies at the end of its range: extend "
                f"the range {way}wards."
            )
    return steps


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


def _importance(study: optuna.Study) -> dict[str, float]:
    complete = [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
    if len(complete) < FEWEST_FOR_IMPORTANCE or len({t.values[0] for t in complete}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = optuna.importance.get_param_importances(study, target=lambda t: t.values[0])
        except (ValueError, RuntimeError, ZeroDivisionError):  # of parameters too seldom drawn
            return {}
    return {key: float(share) for key, share in found.items() if math.isfinite(share)}


def _device_hours(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    hours: Counter[str] = Counter()
    for trial in trials:
        device = trial.user_attrs.get(DEVICE, {"name": "cpu", "number": 1})
        hours[device["name"]] += trial.user_attrs.get(SECONDS, 0.0) * device["number"] / 3600
    return dict(hours)
