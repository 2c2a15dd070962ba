"""The keys there are, and the nearest one to a key that is not."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from lightning_pose.config.schema import Config


def annotations_of(section: type) -> dict[str, Any]:
    """Return field name -> resolved annotation of a dataclass, in order, settable fields only."""
    hints = typing.get_type_hints(section)
    return {item.name: hints[item.name] for item in dataclasses.fields(section) if item.init}


def members_of(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation itself."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def is_open(annotation: Any) -> bool:
    """Tell whether a field may be a mapping whose keys the schema does not know."""
    return any(typing.get_origin(member) is dict for member in members_of(annotation))


@functools.cache
def known_keys() -> dict[str, Any]:
    """Return every dotted key of the schema, sections included, with its annotation."""
    return dict(_walk(Config, ""))


def is_known(key: str) -> bool:
    """Tell whether a dotted key is in the schema, or lies in one of its open mappings."""
    known = known_keys()
    if key in known:
        return True
    parts = key.split(".")
    parents = (".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1))
    nearest = next((parent for parent in parents if parent in known), None)
    return nearest is not None and is_open(known[nearest])


def unknown_key(key: str, candidates: Iterable[str]) -> str:
    """Return the rule that an unknown key breaks, naming the nearest known key."""
    options = list(candidates)
    near = _nearest(key, options)
    if near is not None:
        return f"there is no such key; did you mean {near}?"
    section = key.rpartition(".")[0]
    siblings = [option for option in options if option.rpartition(".")[0] == section]
    if len(siblings) > 12:
        return f"there is no such key; docs/configuration.md lists those of {section}"
    if siblings:
        names = ", ".join(sibling.rpartition(".")[2] for sibling in siblings)
        return f"there is no such key; {section or 'the configuration'} has {names}"
    return "there is no such key"


def _nearest(key: str, options: list[str]) -> str | None:
    """Return the option closest to ``key`` in spelling, whole or by its last word."""
    last = key.rpartition(".")[2]
    scored = [(_likeness(key, option, last), option) for option in options]
    score, best = max(scored, default=(0.0, ""))
    return best if score >= 0.7 else None


def _likeness(key: str, option: str, last: str) -> float:
    ratio = difflib.SequenceMatcher(None, key, option).ratio()
    words = difflib.SequenceMatcher(None, last, option.rpartition(".")[2]).ratio()
    same_section = key.rpartition(".")[0] == option.rpartition(".")[0]
    return (ratio + words) / 2 if same_section else 0.3 * ratio + 0.65 * words


def _walk(section: type, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, annotation in annotations_of(section).items():
        key = f"{prefix}{name}"
        yield key, annotation
        if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
            yield from _walk(annotation, f"{key}.")
