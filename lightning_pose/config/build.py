"""From composed plain values to a checked configuration, with every problem found on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_pose.config.check import read_section
from lightning_pose.config.cross_checks import CHECKS
from lightning_pose.config.keys import known_keys
from lightning_pose.config.old_keys import translate
from lightning_pose.config.origins import Origins
from lightning_pose.config.paths import Places, settle_paths
from lightning_pose.config.problems import Problem, placed, without_consequences
from lightning_pose.config.registered import (
    complete_losses,
    complete_params,
    is_as_shipped,
    name_problems,
    settings_of,
)
from lightning_pose.config.schema import Config
from lightning_pose.config.yaml_file import look_up
from lightning_pose.contracts.errors import ConfigError, LitposeError
from lightning_pose.contracts.registry import load_plugins


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the command line lends to the configuration from rooms above it.

    Attributes:
        generators: name in data.generator -> a function that returns the folder of the data set,
            making it on first use.
        checks: key -> a function that raises a LitposeError if the value under the key is wrong in
            a way that only its own room can tell.
    """

    generators: Mapping[str, Callable[[], Path]] = field(default_factory=dict)
    checks: Mapping[str, Callable[[Config], object]] = field(default_factory=dict)


@dataclass
class Built:
    """A configuration and what was found while it was built; usable if there are no problems."""

    config: Config
    problems: list[Problem]
    notes: list[str] = field(default_factory=list)


def build_config(
    tree: Mapping[str, Any],
    *,
    places: Places,
    origins: Origins | None = None,
    hooks: Hooks | None = None,
    known_problems: Sequence[Problem] = (),
) -> Built:
    """Return the configuration of a whole tree of plain values, checked in every way there is.

    Args:
        tree: sections and keys; null under a key that follows the length of training means unset.
        places: where relative paths are looked for.
        origins: where values came from, for the messages.
        hooks: functions of rooms above this one.
        known_problems: found before; they come first, and what follows from them is left out.
    """
    hooks = hooks or Hooks()
    problems = list(known_problems)
    config, found = read_section(Config, translate(tree).tree, candidates=known_keys())
    problems += list(without_consequences(found, problems))
    problems += list(without_consequences(_plugin_problems(config, places), problems))
    followed: list[str] = []
    notes: list[str] = []
    if not problems or not is_as_shipped(config):
        problems += list(without_consequences(name_problems(config), problems))
        found, followed = complete_params(config)
        problems += list(without_consequences(found, problems))
        found, notes = complete_losses(config)
        problems += list(without_consequences(found, problems))
    followed = [*config.follows_max_epochs, *_followed(tree, config), *followed]
    config.follows_max_epochs = sorted(set(followed))
    problems += list(without_consequences(_generate(config, hooks, ready=not problems), problems))
    problems += list(without_consequences(settle_paths(config, places), problems))
    for check in CHECKS:
        problems += list(without_consequences(check(config), problems))
    problems += list(without_consequences(_hook_problems(config, hooks), problems))
    where = origins or Origins()
    return Built(config, [placed(problem, where.of(problem.key)) for problem in problems], notes)


def _followed(tree: Mapping[str, Any], config: Config) -> list[str]:
    """Return the keys that nobody set and that were worked out from the length of training."""
    return [
        setting.key
        for setting in settings_of(config)
        if setting.rule.follows is not None
        and setting.value is not None
        and config.training.end_in(setting.rule.follows.unit) is not None
        and look_up(tree, setting.key) is None
    ]


def _plugin_problems(config: Config, places: Places) -> list[Problem]:
    if not config.plugins:
        return []
    try:
        load_plugins([], search_dir=places.cwd)
        load_plugins(config.plugins, search_dir=places.config_dir)
    except ConfigError as error:
        rule = str(error).removesuffix(".")
        return [Problem(key="plugins", value=config.plugins, rule=rule)]
    return []


def _generate(config: Config, hooks: Hooks, *, ready: bool) -> list[Problem]:
    """Set data_dir to the generated data set, unless a folder of the user's own is given.

    One that is gone but has the generated set's name was written by an earlier run.
    """
    data = config.data
    if data.generator is None:
        return []
    if data.generator not in hooks.generators:
        known = ", ".join(hooks.generators) or "none"
        rule = f"there is no such generator; known: {known}"
        return [Problem(key="data.generator", value=data.generator, rule=rule)]
    given = None if data.data_dir is None else Path(data.data_dir)
    if not ready or (given is not None and given.is_dir()):
        return []
    generated = hooks.generators[data.generator]()
    if given is None or given.name == generated.name:
        data.data_dir = str(generated)
    return []


def _hook_problems(config: Config, hooks: Hooks) -> list[Problem]:
    problems = []
    for key, check in hooks.checks.items():
        try:
            check(config)
        except LitposeError as error:
            problems.append(Problem(key=key, rule=str(error).removesuffix(".")))
    return problems
