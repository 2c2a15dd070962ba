"""Dataclass fields for the settings of transforms; each checks and tidies what a user wrote.

A field's ``read`` takes the written value and returns the stored one, or raises ``ValueError``
with the rule ("two numbers from 0 to 1"). ``Transform`` turns that into a readable error.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

Span = tuple[float, float]
"""Lowest and highest value of a uniform draw; equal ends mean always that value."""


def span(low: float, high: float, *, within: Span = (-math.inf, math.inf)) -> Any:
    """Return a field for a range; a single number as setting means exactly that value."""
    rule = f"a number or [low, high]{_bounds(within)}"

    def read(value: object) -> Span:
        ends = [value, value] if _is_number(value) else value
        if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
            raise ValueError(rule)
        if not all(_is_number(end) and within[0] <= end <= within[1] for end in ends):
            raise ValueError(rule)
        if ends[0] > ends[1]:
            raise ValueError(f"{rule}, the low end first")
        return float(ends[0]), float(ends[1])

    return _field((low, high), read)


def number(default: float, *, within: Span = (-math.inf, math.inf)) -> Any:
    """Return a field for one number."""
    rule = f"a number{_bounds(within)}"

    def read(value: object) -> float:
        if not _is_number(value) or not within[0] <= value <= within[1]:
            raise ValueError(rule)
        return float(value)

    return _field(default, read)


def odd_count(default: int, *, at_least: int) -> Any:
    """Return a field for an odd whole number, such as the width of a filter."""

    def read(value: object) -> int:
        if not _is_number(value) or value % 2 != 1 or value < at_least:
            raise ValueError(f"an odd whole number of at least {at_least}")
        return int(value)

    return _field(default, read)


def one_of(*choices: int) -> Any:
    """Return a field for a list of whole numbers to choose from; the default is all of them."""

    def read(value: object) -> tuple[int, ...]:
        listed = [value] if _is_number(value) else value
        if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
            raise ValueError(f"a list of numbers out of {list(choices)}")
        if len(listed) == 1 and isinstance(
            listed[0], Sequence
        ):  # [[0, 1]] is how imgaug writes it
            return read(listed[0])
        if not all(entry in choices for entry in listed):
            raise ValueError(f"a list of numbers out of {list(choices)}")
        return tuple(int(entry) for entry in listed)

    return _field(tuple(choices), read)


def index_pairs() -> Any:
    """Return a field for pairs of keypoint indices; it has no default, since none is safe."""
    rule = "a list of pairs of keypoint indices, no index twice ([] if nothing changes sides)"

    def read(value: object) -> tuple[tuple[int, int], ...]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise ValueError(rule)
        pairs = [tuple(pair) if isinstance(pair, Sequence) else () for pair in value]
        indices = [index for pair in pairs for index in pair]
        whole = all(isinstance(index, int) and index >= 0 for index in indices)
        if not whole or {len(pair) for pair in pairs} - {2} or len(set(indices)) < len(indices):
            raise ValueError(rule)
        return tuple((first, second) for first, second in pairs)

    return _field(None, read)


def _field(default: object, read: Callable[[Any], object]) -> Any:
    return dataclasses.field(default=default, metadata={"read": read})


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _bounds(within: Span) -> str:
    low, high = within
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isinf(high):
        return f" of at least {low:g}"
    return f" from {low:g} to {high:g}"
