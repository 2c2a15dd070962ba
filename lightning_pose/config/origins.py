"""Where each value came from: an override, a line of a file, a group choice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_pose.config.yaml_file import YamlFile, leaves


@dataclass(frozen=True)
class Layer:
    """One place that values come from: dotted key -> words for the place."""

    places: Mapping[str, str]
    leaf_keys: frozenset[str] = field(default=frozenset())

    def find(self, key: str) -> str | None:
        """Return the place of a key, of something in it, or of the value that it is a part of."""
        if key in self.places:
            return self.places[key]
        inner = next(
            (place for name, place in self.places.items() if name.startswith(f"{key}.")), None
        )
        if inner is not None:
            return inner
        while key := key.rpartition(".")[0]:
            if key in self.leaf_keys:
                return self.places[key]
        return None


@dataclass(frozen=True)
class Origins:
    """The layers of a configuration, the strongest first."""

    layers: tuple[Layer, ...] = ()

    def of(self, key: str) -> str:
        """Return where the value of a key came from, empty if it is a default."""
        plain = re.sub(r"\[\d+\]", "", key)
        found = (layer.find(plain) for layer in self.layers)
        return next((place for place in found if place is not None), "")

    def sets(self, key: str) -> bool:
        """Tell whether some layer sets the key."""
        return bool(self.of(key))

    def over(self, others: Iterable[Layer]) -> Origins:
        """Return these origins with weaker layers below."""
        return Origins((*self.layers, *others))


def file_layer(
    file: YamlFile, tree: Mapping[str, Any], *, moved: Mapping[str, str], shown: str
) -> Layer:
    """Return the places of a file's values.

    Args:
        file: the file as read.
        tree: its values after old keys were translated.
        moved: new key -> the key the file has.
        shown: how to name the file.
    """
    places = {key: f"{shown} line {line}" for key, line in file.lines.items()}
    for key, _ in leaves(tree):
        old = moved.get(key, key)
        places.setdefault(key, places.get(old, shown))
    return Layer(places, frozenset(key for key, _ in leaves(tree)))


def override_layer(overrides: Iterable[tuple[str, Any, str]]) -> Layer:
    """Return the places of overrides given as (key, value, text)."""
    places: dict[str, str] = {}
    for key, value, text in overrides:
        keys = (
            [key] if not isinstance(value, Mapping) else [k for k, _ in leaves(value, f"{key}.")]
        )
        places |= dict.fromkeys([key, *keys], f"override {text}")
    return Layer(places, frozenset(places))


def short_path(path: Path, cwd: Path) -> str:
    """Return a path as the user would write it from the current folder."""
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)
