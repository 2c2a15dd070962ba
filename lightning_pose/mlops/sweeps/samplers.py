"""Samplers and pruners by name, and drawing a search space."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, PatientPruner
from optuna.samplers import BaseSampler, CmaEsSampler, NSGAIISampler, RandomSampler, TPESampler

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.search_space import Choice, Parameter, Value
from lightning_pose.contracts.sweeps import SweepSettings


def make_sampler(settings: SweepSettings, *, number: int) -> BaseSampler:
    """Return the sampler that draws a trial.

    Its chance is a function of the sweep's seed and the trial's number: a sweep that is carried on
    draws new trials and not those of its beginning once more.

    Raises:
        ConfigError: it needs a package that is not installed.
    """
    seed = int(np.random.SeedSequence((settings.seed, number)).generate_state(1, np.uint32)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _SAMPLERS[settings.sampler](settings, seed)


def make_pruner(settings: SweepSettings) -> BasePruner:
    """Return the pruner; what it may judge, and when, is decided where a trial reports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _PRUNERS[settings.pruner](settings)


def draw(
    trial: optuna.Trial, space: Sequence[Parameter], fixed: Mapping[str, Value] | None = None
) -> dict[str, Value]:
    """Return key -> value of a trial, only of the parameters that matter in it."""
    drawn: dict[str, Value] = dict(fixed or {})
    for parameter in space:
        if parameter.applies(drawn):
            drawn[parameter.key] = _draw_one(trial, parameter)
    return drawn


def grid(space: Sequence[Parameter]) -> list[dict[str, Value]]:
    """Return every combination that differs in something that matters.

    Raises:
        ConfigError: a parameter has infinitely many values.
    """
    combinations: list[dict[str, Value]] = [{}]
    for parameter in space:
        values = list(_all_values(parameter))
        combinations = [
            {**one, parameter.key: value} if parameter.applies(one) else one
            for one in combinations
            for value in (values if parameter.applies(one) else values[:1])
        ]
    return combinations


def _draw_one(trial: optuna.Trial, parameter: Parameter) -> Value:
    values = parameter.values
    if isinstance(values, Choice):
        return str(trial.suggest_categorical(parameter.key, values.values))
    if values.is_whole:
        low, high, step = int(values.low), int(values.high), int(values.step or 1)
        return trial.suggest_int(parameter.key, low, high, step=step, log=values.log)
    low, high = float(values.low), float(values.high)
    return trial.suggest_float(parameter.key, low, high, step=values.step, log=values.log)


def _all_values(parameter: Parameter) -> Iterator[Value]:
    values = parameter.values
    if isinstance(values, Choice):
        yield from values.values
    elif values.step is None and not values.is_whole:
        raise ConfigError(
            f"{parameter.key} = {parameter.text} has no end of values, which a grid cannot try; "
            "give a choice(...), a range(...) with a step, or another hydra.sweeper.sampler."
        )
    else:
        step = values.step or 1
        count = round((values.high - values.low) / step) + 1
        yield from (values.low + place * step for place in range(count))


def _cmaes(settings: SweepSettings, seed: int) -> BaseSampler:
    if importlib.util.find_spec("cmaes") is None:
        raise ConfigError("hydra.sweeper.sampler = cmaes needs a package: pip install cmaes.")
    return CmaEsSampler(
        seed=seed,
        n_startup_trials=max(1, settings.n_startup_trials),
        independent_sampler=RandomSampler(seed=seed),
        warn_independent_sampling=False,
    )


def _tpe(settings: SweepSettings, seed: int) -> BaseSampler:
    return TPESampler(seed=seed, n_startup_trials=settings.n_startup_trials)


def _median(settings: SweepSettings) -> BasePruner:
    return MedianPruner(
        n_startup_trials=settings.n_startup_trials, n_warmup_steps=settings.warmup_epochs
    )


def _hyperband(settings: SweepSettings) -> BasePruner:
    return HyperbandPruner(
        min_resource=max(1, settings.warmup_epochs), max_resource=settings.max_epochs or "auto"
    )


_SAMPLERS: dict[str, Callable[[SweepSettings, int], BaseSampler]] = {
    "tpe": _tpe,
    "random": lambda settings, seed: RandomSampler(seed=seed),
    "grid": lambda settings, seed: RandomSampler(seed=seed),  # its trials are queued beforehand
    "cmaes": _cmaes,
    "nsga2": lambda settings, seed: NSGAIISampler(
        seed=seed, population_size=settings.population_size
    ),
}
_PRUNERS: dict[str, Callable[[SweepSettings], BasePruner]] = {
    "none": lambda settings: NopPruner(),
    "median": _median,
    "hyperband": _hyperband,
    "patience": lambda settings: PatientPruner(None, patience=settings.patience),
}
