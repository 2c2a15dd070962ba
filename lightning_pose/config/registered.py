"""Names and settings of registered things, checked against the registries.

A registered thing brings the dataclass of its own settings; the section of the configuration that
belongs to it goes through the same checker as the schema and comes back complete.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from lightning_pose.config.check import read_section
from lightning_pose.config.defaults import plain_tree
from lightning_pose.config.keys import annotations_of
from lightning_pose.config.old_keys import PREDECESSOR_LOSSES, left_out
from lightning_pose.config.problems import Problem
from lightning_pose.config.schema import Config, TrainingConfig
from lightning_pose.contracts.registry import LOSSES, Registry
from lightning_pose.contracts.settings import Rule, rule_of


@dataclasses.dataclass(frozen=True)
class Setting:
    """One value of a configuration with its key, rule and the section object it lies in."""

    key: str
    value: Any
    rule: Rule
    section: Any


def settings_of(section: Any, prefix: str = "") -> Iterator[Setting]:
    """Yield every value of a configuration, sections within sections included."""
    for item in dataclasses.fields(section):
        value, key = getattr(section, item.name), f"{prefix}{item.name}"
        if dataclasses.is_dataclass(value):
            yield from settings_of(value, f"{key}.")
        else:
            yield Setting(key, value, rule_of(item), section)


def name_problems(config: Config) -> list[Problem]:
    """Return the names in a configuration that nothing is registered under."""
    problems: list[Problem] = []
    for setting in settings_of(config):
        registry = setting.rule.registry
        if registry is None or isinstance(setting.value, Mapping):
            continue
        known = _names(registry, setting.rule, setting.key)
        several = isinstance(setting.value, list)
        for index, name in enumerate(setting.value if several else [setting.value]):
            if name not in known:
                key = f"{setting.key}[{index}]" if several else setting.key
                problems.append(
                    Problem(key=key, value=name, rule=_not_registered(registry, name, known))
                )
    return problems


def is_as_shipped(config: Config) -> bool:
    """Tell whether every name and setting of registered things is the default one.

    If so there can be nothing wrong with them, and looking would mean importing their rooms.
    """
    shipped = {setting.key: setting.value for setting in settings_of(Config())}
    return all(
        setting.value == shipped[setting.key]
        for setting in settings_of(config)
        if setting.rule.registry is not None or setting.rule.params_of or setting.key == "losses"
    )


def complete_params(config: Config) -> tuple[list[Problem], list[str]]:
    """Fill the sections of registered things with their defaults, in place.

    Names must have been checked; a section whose thing is unknown is left as it is.

    Returns:
        The problems, and the keys whose values follow the length of training.
    """
    problems: list[Problem] = []
    followed: list[str] = []
    for setting in list(settings_of(config)):
        if setting.rule.params_of:
            owner = _field(type(setting.section), setting.rule.params_of)
            registry = rule_of(owner).registry
            name = getattr(setting.section, owner.name)
            if registry is None or name not in registry:
                continue
            filled = _complete(registry, name, setting.value, f"{setting.key}.")
            setattr(setting.section, setting.key.rpartition(".")[2], filled.values)
            problems += filled.problems
            followed += filled.follow(config.training)
    return problems, followed


def complete_losses(config: Config) -> tuple[list[Problem], list[str]]:
    """Fill the sections of losses that are used or mentioned, in place.

    Returns:
        The problems, and notes on sections of losses that this version does not have.
    """
    problems: list[Problem] = []
    missing: list[str] = []
    for name in dict.fromkeys([*config.losses, *config.model.losses_to_use]):
        if name in LOSSES:
            filled = _complete(LOSSES, name, config.losses.get(name, {}), f"losses.{name}.")
            problems += filled.problems
            config.losses[name] = filled.values
        elif name in PREDECESSOR_LOSSES:
            config.losses.pop(name, None)
            missing.append(f"losses.{name}")
        elif name in config.losses:
            rule = _not_registered(LOSSES, name, LOSSES.names())
            problems.append(Problem(key=f"losses.{name}", rule=rule))
    return problems, [left_out(missing, "this version has no such loss")] if missing else []


@dataclasses.dataclass
class _NoParams:
    """Settings of a thing that has none."""


@dataclasses.dataclass
class _Completed:
    """The settings of one registered thing, complete."""

    values: dict[str, Any]
    problems: list[Problem]
    params: type | None
    prefix: str

    def follow(self, training: TrainingConfig) -> list[str]:
        """Fill in what follows the length of training; return its keys."""
        keys = []
        rules = {item.name: rule_of(item) for item in dataclasses.fields(self.params or _NoParams)}
        given = [rules[name].follows for name in rules if self.values.get(name) is not None]
        for item in dataclasses.fields(self.params or _NoParams):
            follows = rules[item.name].follows
            if follows and any(follows.is_alternative_to(other) for other in given):
                continue
            end = training.end_in(follows.unit) if follows else None
            if follows and end and self.values.get(item.name) is None:
                self.values[item.name] = follows.at(end)
                keys.append(f"{self.prefix}{item.name}")
        return keys


def _complete(
    registry: Registry[Any], name: str, given: dict[str, Any], prefix: str
) -> _Completed:
    params = registry.entry(name).params
    if params is None:
        rule = f"the {registry.kind} {name} has no settings"
        problems = [Problem(key=f"{prefix}{key}", rule=rule) for key in given]
        return _Completed({}, problems, None, prefix)
    settings, problems = read_section(params, given, prefix=prefix)
    values = plain_tree(settings) if settings is not None else dict(given)
    return _Completed(values, problems, params, prefix)


def _names(registry: Registry[Any], rule: Rule, key: str) -> tuple[str, ...]:
    names = registry.names()
    if key == "model.losses_to_use":
        names = tuple(name for name in names if _has_weight(registry.entry(name).params))
    return tuple(n.removeprefix(rule.prefix) for n in names if n.startswith(rule.prefix))


def _has_weight(params: type | None) -> bool:
    """Tell an unsupervised loss, which has a weight of its own, from a supervised one."""
    return params is not None and "log_weight" in annotations_of(params)


def _not_registered(registry: Registry[Any], name: Any, known: tuple[str, ...]) -> str:
    if not known:
        return f"this version has no {registry.kind} to choose here"
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f" did you mean {near[0]}?" if near else ""
    return f"there is no such {registry.kind};{hint} known: {', '.join(known)}"


def _field(section: type, name: str) -> dataclasses.Field[Any]:
    return next(item for item in dataclasses.fields(section) if item.name == name)
