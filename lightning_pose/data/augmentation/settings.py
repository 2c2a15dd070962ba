"""Fields for the settings of transforms: ranges, odd counts, choices and pairs.

Each is a :func:`lightning_pose.contracts.settings.setting` (default, documentation, rule) that
also says how to *read* what a user wrote: ``read`` returns the value to store, or raises
``ValueError`` with the rule in words; :func:`read_settings` collects those.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from lightning_pose.contracts.settings import Rule, setting

READ = "augmentation_read"

Span = tuple[float, float]
"""Lowest and highest value of a uniform draw; equal ends mean always that value."""


def span(
    low: float,
    high: float,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Return a field for a range; a single number as setting means exactly that value."""
    rule = Rule(minimum=minimum, maximum=maximum)
    text = _with_bounds("a number or [low, high]", rule)

    def read(value: Any) -> Span:
        ends = [value, value] if _is_number(value) else _items(value, text)
        if len(ends) != 2 or not all(_is_number(end) and rule.allows(end) for end in ends):
            raise ValueError(text)
        if ends[0] > ends[1]:
            raise ValueError(f"{text}, the low end first")
        return float(ends[0]), float(ends[1])

    return _field((low, high), doc, read, minimum=minimum, maximum=maximum)


def number(
    default: float, doc: str, *, minimum: float | None = None, maximum: float | None = None
) -> Any:
    """Return a field for one number."""
    rule = Rule(minimum=minimum, maximum=maximum)
    text = _with_bounds("a number", rule)

    def read(value: Any) -> float:
        if not _is_number(value) or not rule.allows(value):
            raise ValueError(text)
        return float(value)

    return _field(default, doc, read, minimum=minimum, maximum=maximum)


def odd_count(default: int, doc: str, *, minimum: int) -> Any:
    """Return a field for an odd whole number, such as the width of a filter."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or value % 2 != 1 or value < minimum:
            raise ValueError(f"an odd whole number of at least {minimum}")
        return value

    return _field(default, doc, read, minimum=minimum)


def one_of(choices: Sequence[int], doc: str) -> Any:
    """Return a field for whole numbers to choose from; the default is all of ``choices``."""
    text = f"a list of numbers out of {list(choices)}"

    def read(value: Any) -> tuple[int, ...]:
        listed = [value] if _is_number(value) else _items(value, text)
        if len(listed) == 1 and isinstance(listed[0], Sequence):  # imgaug's way: [[0, 1]]
            listed = listed[0]
        if not listed or not all(entry in choices for entry in listed):
            raise ValueError(text)
        return tuple(int(entry) for entry in listed)

    return _field(tuple(choices), doc, read)


def index_pairs(doc: str) -> Any:
    """Return a field for pairs of keypoint numbers; it must be set, since no default is safe."""
    text = "a list of pairs of keypoint numbers, no number twice ([] if nothing changes sides)"

    def read(value: Any) -> tuple[tuple[int, int], ...]:
        pairs = [tuple(_items(pair, text)) for pair in _items(value, text)]
        indices = [index for pair in pairs for index in pair]
        whole = all(isinstance(index, int) and index >= 0 for index in indices)
        if not whole or {len(pair) for pair in pairs} - {2} or len(set(indices)) < len(indices):
            raise ValueError(text)
        return tuple((first, second) for first, second in pairs)

    return _field(None, doc, read)


def read_settings(owner: type, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of the dataclass ``owner`` as it wants them, defaults filled in.

    Returns:
        The settings, and what is wrong: a clause for each that cannot be what was given.
    """
    values, problems = dict(given), []
    for field in dataclasses.fields(owner):
        if READ not in field.metadata:
            continue
        value = given.get(field.name, field.default)
        try:
            values[field.name] = field.metadata[READ](value)
        except ValueError as rule:
            problems.append(f"{field.name} must be {rule}, got {value!r}")
    return values, problems


def _field(default: object, doc: str, read: Callable[[Any], object], **rule: Any) -> Any:
    field = setting(default, doc, **rule)
    field.metadata = {**field.metadata, READ: read}
    return field


def _items(value: Any, rule: str) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(rule)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _with_bounds(what: str, rule: Rule) -> str:
    return f"{what}, {rule.bounds}" if rule.bounds else what
