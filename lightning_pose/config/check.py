"""The one checker: turns plain yaml values into typed dataclasses, collecting every problem.

It knows types and rules, no names: the schema and the parameter dataclasses of registered things
go through it alike.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lightning_pose.config.keys import annotations_of, members_of, unknown_key
from lightning_pose.config.problems import Problem
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.settings import Rule, rule_of

NO_RULE = Rule()


class _Refused(Exception):
    """A value that does not fit; carries the key (of a list item, perhaps) and the value."""

    def __init__(self, key: str, value: Any, expected: str) -> None:
        super().__init__(expected)
        self.key, self.value, self.expected = key, value, expected


def read_section(
    section: type,
    tree: Mapping[Any, Any],
    *,
    prefix: str = "",
    candidates: Iterable[str] | None = None,
) -> tuple[Any, list[Problem]]:
    """Return ``section(**tree)`` with checked values, and the problems.

    A value with a problem is replaced by its default, so that the checks of several values can go
    on with the others.

    Args:
        section: a dataclass whose fields may be made with ``setting``.
        tree: plain values from yaml; a nested dataclass takes a mapping.
        prefix: dotted key of the section with a dot behind it, for the messages.
        candidates: the keys an unknown one may have been meant for; the section's own if None.
    """
    problems = _unknown(section, tree, prefix, candidates)
    values: dict[str, Any] = {}
    annotations = annotations_of(section)
    for item in dataclasses.fields(section):
        key = f"{prefix}{item.name}"
        if item.name not in annotations:
            continue
        if item.name not in tree:
            if _required(item):
                problems.append(Problem(key=key, rule="must be set"))
            continue
        given, annotation = tree[item.name], annotations[item.name]
        if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
            values[item.name], more = _read_nested(annotation, given, key, candidates)
            problems += more
            continue
        try:
            values[item.name] = checked(given, annotation, rule=rule_of(item), key=key)
        except _Refused as refused:
            problems.append(Problem(key=refused.key, value=refused.value, rule=str(refused)))
    return _build(section, values, prefix, problems)


def checked(value: Any, annotation: Any, *, rule: Rule = NO_RULE, key: str = "") -> Any:
    """Return ``value`` as the annotated type if it is of it and keeps to the rule.

    Raises:
        _Refused: it does not; carries the words for the problem.
    """
    members = members_of(annotation)
    if isinstance(value, float) and float in members:
        members = (float,)
    for member in members:
        try:
            return _CONVERTERS.get(_kind(member), _as_is)(value, member, rule, key)
        except _Refused as refused:
            if refused.key != key:
                raise
    raise _Refused(key, value, f"must be {expected(annotation, rule)}")


def expected(annotation: Any, rule: Rule = NO_RULE) -> str:
    """Return in words what a value may be: type, bounds, null."""
    members = [member for member in members_of(annotation) if member is not type(None)]
    if set(members) == {int, float}:
        members = [float]
    words = " or ".join(_type_words(member) for member in members)
    if rule.path:
        words = words.replace("text", "a path", 1)
    if rule.registry is not None and not rule.prefix and str in members:
        words = words.replace("text", f"the name of a registered {rule.registry.kind}", 1)
    if rule.choices:
        words = rule.bounds
    elif rule.bounds:
        words = f"{words}, {'each ' if _is_list(members) else ''}{rule.bounds}"
    return f"{words}, or null" if type(None) in members_of(annotation) else words


def _is_list(members: list[Any]) -> bool:
    return any(_kind(member) is list for member in members)


def _kind(annotation: Any) -> Any:
    return typing.get_origin(annotation) or annotation


def _type_words(annotation: Any) -> str:
    kind, arguments = _kind(annotation), typing.get_args(annotation)
    if kind in (list, tuple) and arguments:
        inner = _PLURALS.get(_kind(arguments[0]), "values")
        nested = typing.get_args(arguments[0])
        more = f" of {_PLURALS.get(_kind(nested[0]), 'values')}" if nested else ""
        return f"a list of {inner}{more}"
    if kind is typing.Literal:
        return f"one of {', '.join(str(argument) for argument in arguments)}"
    return _WORDS.get(kind, "a value")


_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    dict: "a mapping",
    list: "a list",
}
_PLURALS: dict[Any, str] = {
    int: "whole numbers",
    float: "numbers",
    str: "names",
    list: "lists",
    bool: "true or false",
    dict: "mappings",
}


def _bounded(value: Any, annotation: Any, rule: Rule, key: str) -> Any:
    if not rule.allows(value):
        raise _Refused(key, value, f"must be {expected(annotation, rule)}")
    return value


def _to_int(value: Any, annotation: Any, rule: Rule, key: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Refused(key, value, f"must be {expected(annotation, rule)}")
    return _bounded(value, annotation, rule, key)


def _to_float(value: Any, annotation: Any, rule: Rule, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _Refused(key, value, f"must be {expected(annotation, rule)}")
    return _bounded(float(value), annotation, rule, key)


def _to_bool(value: Any, annotation: Any, rule: Rule, key: str) -> bool:
    if not isinstance(value, bool):
        raise _Refused(key, value, f"must be {expected(annotation, rule)}")
    return value


def _to_str(value: Any, annotation: Any, rule: Rule, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _Refused(key, value, f"must be {expected(annotation, rule)}")
    return _bounded(str(value), annotation, rule, key)


def _to_none(value: Any, annotation: Any, rule: Rule, key: str) -> None:
    if value is not None:
        raise _Refused(key, value, f"must be {expected(annotation, rule)}")


def _to_list(value: Any, annotation: Any, rule: Rule, key: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise _Refused(key, value, f"must be {expected(annotation, rule)}")
    (inner, *_) = typing.get_args(annotation) or (Any,)
    return [
        checked(item, inner, rule=rule, key=f"{key}[{index}]") for index, item in enumerate(value)
    ]


def _to_tuple(value: Any, annotation: Any, rule: Rule, key: str) -> tuple[Any, ...]:
    return tuple(_to_list(value, annotation, rule, key))


def _to_dict(value: Any, annotation: Any, rule: Rule, key: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _Refused(key, value, f"must be {expected(annotation, rule)}")
    (_, inner) = typing.get_args(annotation) or (str, Any)
    return {str(name): checked(item, inner, key=f"{key}.{name}") for name, item in value.items()}


def _to_literal(value: Any, annotation: Any, rule: Rule, key: str) -> Any:
    if value not in typing.get_args(annotation):
        raise _Refused(key, value, f"must be {expected(annotation, rule)}")
    return value


def _as_is(value: Any, annotation: Any, rule: Rule, key: str) -> Any:
    return value


_CONVERTERS: dict[Any, Callable[[Any, Any, Rule, str], Any]] = {
    int: _to_int,
    float: _to_float,
    bool: _to_bool,
    str: _to_str,
    type(None): _to_none,
    list: _to_list,
    tuple: _to_tuple,
    dict: _to_dict,
    typing.Literal: _to_literal,
}


def _unknown(
    section: type, tree: Mapping[Any, Any], prefix: str, candidates: Iterable[str] | None
) -> list[Problem]:
    names = annotations_of(section)
    known = [f"{prefix}{name}" for name in names] if candidates is None else candidates
    keys = {f"{prefix}{name}": value for name, value in tree.items() if name not in names}
    return [
        Problem(key=key, value=value, rule=unknown_key(key, known), structural=True)
        for key, value in keys.items()
    ]


def _read_nested(
    section: type, given: Any, key: str, candidates: Iterable[str] | None
) -> tuple[Any, list[Problem]]:
    if given is None:
        return section(), []
    if not isinstance(given, Mapping):
        rule = "must be a section with keys"
        return section(), [Problem(key=key, value=given, rule=rule, structural=True)]
    return read_section(section, given, prefix=f"{key}.", candidates=candidates)


def _required(item: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return item.default is missing and item.default_factory is missing


def _build(
    section: type, values: dict[str, Any], prefix: str, problems: list[Problem]
) -> tuple[Any, list[Problem]]:
    """Make the object; its own constructor may object too (parameter dataclasses do)."""
    if any(_required(item) and item.name not in values for item in dataclasses.fields(section)):
        return None, problems
    try:
        return section(**values), problems
    except (ConfigError, ValueError) as error:
        rule = str(error).removesuffix(".")
        return None, [*problems, Problem(key=prefix.removesuffix("."), rule=rule)]
