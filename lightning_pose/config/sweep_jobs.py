"""The jobs of a multirun, listed first so that each can be checked before any starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from lightning_pose.config.keys import is_known, known_keys, unknown_key
from lightning_pose.config.problems import Problem
from lightning_pose.config.schema import Config
from lightning_pose.config.search_space import read_space
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.files import in_home
from lightning_pose.contracts.sweeps import PRUNERS, SEED_KEY, SQLITE, SweepSettings

MOST_COMBINATIONS = 64
JOURNAL = "sweep.journal"
LONGEST_NAME = 60
BETWEEN = 0.382


def sweep_jobs(overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each job, one value for each key.

    Up to 64 jobs are all combinations; of more, every value is tried with the first ones of the
    other keys. Of a continuous range the two ends are tried, and a number between.
    """
    axes = [_values(OverridesParser.create().parse_override(text)) for text in overrides]
    if math.prod(len(axis) for axis in axes) <= MOST_COMBINATIONS:
        return [list(job) for job in itertools.product(*axes)]
    first = [axis[0] for axis in axes]
    return [first] + [
        [*first[:place], value, *first[place + 1 :]]
        for place, axis in enumerate(axes)
        for value in axis[1:]
    ]


def sweeper_overrides(params: Any) -> tuple[list[str], list[Problem]]:
    """Return the sweeper's own parameters (``hydra.sweeper.params``) as overrides.

    Returns:
        One override per parameter, and a problem for each that is no key or cannot be read.
    """
    overrides, problems = [], []
    if not isinstance(params or {}, Mapping):
        return [], [Problem(key="hydra.sweeper.params", value=params, rule="write KEY: VALUES")]
    for key, value in (params or {}).items():
        text = f"{key}={value}"
        where = f"hydra.sweeper.params {key}: {value}"
        try:
            OverridesParser.create().parse_override(text)
        except HydraException as error:
            rule = f"cannot be read ({str(error).splitlines()[0]})"
            problems.append(Problem(key=key, where=where, rule=rule))
            continue
        name = key.lstrip("+")
        if not is_known(name) and "/" not in name:
            rule = unknown_key(name, known_keys())
            problems.append(Problem(key=name, where=where, rule=rule, structural=True))
            continue
        overrides.append(text)
    return overrides, problems


def is_study(composed: DictConfig) -> bool:
    """Tell whether a multirun is a search with a study, which can be carried on."""
    return "study_name" in composed.hydra.sweeper


def name_of_study(composed: DictConfig) -> str:
    """Return the name of a study: the one given, of the sweep file, or of what is swept."""
    given = composed.hydra.sweeper.study_name
    if given is not None:
        return str(given)
    chosen = composed.hydra.runtime.choices.get("sweeps")
    if chosen:
        return str(chosen)
    texts: Any = OmegaConf.to_container(composed.hydra.overrides.task)
    parsed = (OverridesParser.create().parse_override(text) for text in texts)
    words = [
        item.get_key_element().rpartition(".")[2] for item in parsed if item.is_sweep_override()
    ]
    return "_".join(words)[:LONGEST_NAME] or "sweep"


def absolute_storage(storage: str) -> str:
    """Return a storage that is found from any folder.

    Example:
        >>> absolute_storage("sqlite:////data/optuna.db")
        'sqlite:////data/optuna.db'
    """
    if "://" in storage and not storage.startswith(SQLITE):
        return storage
    start = SQLITE if storage.startswith(SQLITE) else ""
    return f"{start}{in_home(storage.removeprefix(SQLITE)).absolute()}"


def settings_of_sweep(composed: DictConfig, sweep_dir: Path) -> SweepSettings:
    """Return the settings of a search, with its name and storage worked out.

    Raises:
        ConfigError: a value is wrong.
    """
    values: Any = OmegaConf.to_container(composed.hydra.sweeper, resolve=True)
    return SweepSettings.read(
        values,
        study_name=name_of_study(composed),
        storage=absolute_storage(str(values["storage"] or sweep_dir / JOURNAL)),
        max_epochs=OmegaConf.select(composed, "training.max_epochs"),
    )


def study_problems(composed: DictConfig, overrides: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with the settings of a search and its ranges."""
    if not is_study(composed):
        return
    try:
        settings = settings_of_sweep(composed, Path())
        space, _ = read_space(settings.params, settings.conditions, overrides)
        _check_repeats(settings, [parameter.key for parameter in space])
    except ConfigError as error:
        yield Problem(key="hydra.sweeper", rule=str(error).removesuffix("."))


def _check_repeats(settings: SweepSettings, swept: Sequence[str]) -> None:
    if settings.repeat_best and SEED_KEY in swept:
        raise ConfigError(
            f"{SEED_KEY} is searched, and hydra.sweeper.repeat_best = {settings.repeat_best} "
            "gives other seeds too; set hydra.sweeper.repeat_best=0."
        )


def pruning_problems(composed: DictConfig, config: Config) -> Iterator[Problem]:
    """Yield a problem if losses on video begin to count too late for a pruner to act."""
    if not is_study(composed) or composed.hydra.sweeper.pruner == PRUNERS[0]:
        return
    end, start = config.training.max_epochs, config.callbacks.anneal_weight.freeze_until_epoch
    if not config.model.losses_to_use or end is None or start is None:
        return
    first = settings_of_sweep(composed, Path()).first_judged_epoch(
        uses_video_losses=True, freeze_until_epoch=start
    )
    if first >= end:
        yield Problem(
            key="callbacks.anneal_weight.freeze_until_epoch",
            value=start,
            others=("hydra.sweeper.pruner", "training.max_epochs"),
            rule=f"leaves a pruner nothing to do: a trial with losses on video is judged after "
            f"epoch {first}, and training has {end}; lower it, train longer, or set "
            "hydra.sweeper.pruner=none",
        )


def _values(override: Override) -> list[str]:
    """Return an override once for each of its values."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [override.input_line or ""]
    if override.is_discrete_sweep():
        return [f"{key}={value}" for value in _unique(override.sweep_string_iterator())]
    swept = override.value()
    if not isinstance(swept, IntervalSweep) or swept.start is None or swept.end is None:
        return []
    ends = [swept.start, swept.end]
    if not any(isinstance(end, int) for end in ends):  # no whole number either
        ends.append(swept.start + BETWEEN * (swept.end - swept.start))
    return [f"{key}={_number(end)}" for end in ends]


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)
