"""The jobs of a multirun, listed first so that each can be checked before any starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException

from lightning_pose.config.keys import is_known, known_keys, unknown_key
from lightning_pose.config.problems import Problem

MOST_COMBINATIONS = 64


def sweep_jobs(overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each job, one value for each key.

    Up to 64 jobs are all combinations; of more, every value is tried with the first ones of the
    other keys. Of a continuous range the two ends are tried.
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


def sweeper_overrides(params: Mapping[str, Any] | None) -> tuple[list[str], list[Problem]]:
    """Return the sweeper's own parameters (``hydra.sweeper.params``) as overrides.

    Returns:
        One override per parameter, and a problem for each that is no key or cannot be read.
    """
    overrides, problems = [], []
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


def _values(override: Override) -> list[str]:
    """Return an override once for each of its values."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [override.input_line or ""]
    if override.is_discrete_sweep():
        return [f"{key}={value}" for value in _unique(override.sweep_string_iterator())]
    swept = override.value()
    ends = (swept.start, swept.end) if isinstance(swept, IntervalSweep) else ()
    return [f"{key}={_number(end)}" for end in ends if end is not None]


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)
