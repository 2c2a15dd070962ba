"""The search space of a sweep, read from overrides in Hydra's grammar."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    RangeSweep,
)
from hydra.errors import HydraException

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.search_space import Choice, Parameter, Range, words

LOG = "log"


def read_space(
    params: Mapping[str, Any] | None,
    conditions: Mapping[str, Any] | None,
    arguments: Sequence[str],
) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
    """Return the swept parameters, those without a condition first, and the fixed overrides.

    Args:
        params: key -> values, of a sweep file (``hydra.sweeper.params``).
        conditions: swept key -> {other swept key: value or list of values} it is drawn for. Where
            the command line fixes the other key, it is drawn always or never.
        arguments: overrides of the command line; they win over ``params``.

    Raises:
        ConfigError: a range or condition cannot be used.
    """
    texts = [f"{key}={value}" for key, value in (params or {}).items()]
    overrides: dict[str, Override] = {}
    for text in (*texts, *arguments):
        parsed = _parsed(text)
        key = parsed.get_key_element()
        overrides.pop(key, None)
        overrides[key] = parsed
    swept = {key: item for key, item in overrides.items() if item.is_sweep_override()}
    fixed = [item.input_line or "" for key, item in overrides.items() if key not in swept]
    space = [
        Parameter(key=key, values=_values(item), text=_text(item)) for key, item in swept.items()
    ]
    values = {key: _text(item) for key, item in overrides.items() if key not in swept}
    space = _with_conditions(space, conditions or {}, values)
    if not space:
        raise ConfigError(
            "There is nothing to search: give a range, such as training.optimizer_params."
            "learning_rate='tag(log, interval(1e-4, 1e-2))', or a file of ranges (+sweeps=...)."
        )
    return tuple(sorted(space, key=lambda parameter: bool(parameter.when))), tuple(fixed)


def as_texts(space: Sequence[Parameter]) -> dict[str, str]:
    """Return the space as plain texts, to be kept and compared.

    Example:
        >>> as_texts([Parameter(key="a", values=Choice(values=("1",)), text="1,2")])
        {'a': '1,2'}
    """
    return {
        parameter.key: parameter.text
        + "".join(f" when {key} has {' or '.join(of)}" for key, of in parameter.when.items())
        for parameter in sorted(space, key=lambda parameter: parameter.key)
    }


def _parsed(text: str) -> Override:
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise ConfigError(f"{text} cannot be read: {str(error).splitlines()[0]}.") from error


def _text(item: Override) -> str:
    return (item.input_line or "").partition("=")[2].strip()


def _values(item: Override) -> Choice | Range:
    swept, key = item.value(), item.get_key_element()
    tags = set(getattr(swept, "tags", ()))
    if tags - {LOG}:
        raise ConfigError(f"{key}: {', '.join(sorted(tags - {LOG}))} is no tag; there is {LOG}.")
    if isinstance(swept, IntervalSweep):
        if swept.start is None or swept.end is None:
            raise ConfigError(f"{key}: an interval needs both ends, as in interval(0.1, 1.0).")
        found = Range(low=swept.start, high=swept.end, log=LOG in tags)
    elif isinstance(swept, RangeSweep) and not swept.shuffle:
        found = dataclasses.replace(_range(swept), log=LOG in tags)
    elif isinstance(swept, ChoiceSweep) or item.is_discrete_sweep():
        return Choice(values=tuple(dict.fromkeys(item.sweep_string_iterator())))
    else:
        raise ConfigError(f"{key}: write interval(...), range(...) or choice(...).")
    _check_range(key, found)
    return found


def _range(swept: RangeSweep) -> Range:
    """Return a range; Hydra's ends before ``stop``, ours with the last number."""
    numbers = list(swept.range())
    step: Any = swept.step
    if not numbers:
        return Range(low=1, high=0)
    found = Range(low=numbers[0], high=numbers[-1], step=step)
    return dataclasses.replace(found, step=abs(step)) if step > 0 else found


def _check_range(key: str, values: Range) -> None:
    if not (math.isfinite(values.low) and math.isfinite(values.high)):
        raise ConfigError(f"{key}: the ends of a range must be numbers.")
    if values.low > values.high or (values.step is not None and values.step <= 0):
        raise ConfigError(f"{key}: the range is empty or runs downwards; give the low end first.")
    if values.log and values.low <= 0:
        raise ConfigError(
            f"{key}: a range with tag(log, ...) must begin above 0, not at {values.low}."
        )
    if values.log and values.step is not None and not (values.is_whole and values.step == 1):
        raise ConfigError(
            f"{key}: a range with tag(log, ...) has no steps; write tag(log, interval(...)), or "
            "int(...) around it for whole numbers."
        )


def _with_conditions(
    space: Sequence[Parameter], conditions: Mapping[str, Any], fixed: Mapping[str, str]
) -> list[Parameter]:
    """Return the parameters with what each is drawn for, without those that never are."""
    by_key = {parameter.key: parameter for parameter in space}
    for key, wanted in conditions.items():
        if key not in by_key and key not in fixed:
            raise ConfigError(f"hydra.sweeper.conditions {key} is not searched; see its spelling.")
        if not isinstance(wanted, Mapping):
            raise ConfigError(
                f"hydra.sweeper.conditions {key}: write the other key and its values, as in "
                "{model.losses_to_use: temporal}."
            )
        when: dict[str, tuple[str, ...]] = {}
        for other, of in wanted.items():
            if other == key or other in conditions:
                raise ConfigError(
                    f"hydra.sweeper.conditions {key}: {other} has a condition itself; name the "
                    "values of both keys instead."
                )
            texts = tuple(str(one) for one in (of if isinstance(of, list | tuple) else [of]))
            if other in by_key:
                _check_may_hold(key, by_key[other], texts)
                when[other] = texts
            elif other not in fixed:
                raise ConfigError(
                    f"hydra.sweeper.conditions {key}: {other} is not searched, so nothing hangs "
                    "on it; see its spelling."
                )
            elif not words(fixed[other]) & set(texts):
                by_key.pop(key, None)
        if key in by_key:
            by_key[key] = dataclasses.replace(by_key[key], when=when)
    return list(by_key.values())


def _check_may_hold(key: str, other: Parameter, texts: Sequence[str]) -> None:
    """Refuse a condition that no choice of the other key meets."""
    if not isinstance(other.values, Choice):
        return
    known = set[str]().union(*map(words, other.values.values))
    if not known & set(texts):
        raise ConfigError(
            f"hydra.sweeper.conditions {key}: {other.key} is never {' or '.join(texts)}; it is "
            f"one of {', '.join(other.values.values)}."
        )
