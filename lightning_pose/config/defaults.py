"""The schema's defaults as plain values, and a configuration as plain values."""

from __future__ import annotations

import dataclasses
from typing import Any

from lightning_pose.config.keys import annotations_of
from lightning_pose.config.schema import Config


def unset_tree() -> dict[str, Any]:
    """Return every key with its default; null for values that follow the length of training.

    The null tells a value that nobody set from one that somebody set to the default.
    """
    return _defaults(Config)


def plain_tree(section: Any) -> dict[str, Any]:
    """Return a configuration, or a section of one, as plain values that yaml can hold."""
    tree: Any = _plain(dataclasses.asdict(section))
    return tree


def _defaults(section: type) -> dict[str, Any]:
    annotations = annotations_of(section)
    tree: dict[str, Any] = {}
    for item in dataclasses.fields(section):
        annotation = annotations[item.name]
        if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
            tree[item.name] = _defaults(annotation)
        elif item.default_factory is not dataclasses.MISSING:
            tree[item.name] = item.default_factory()
        else:
            tree[item.name] = item.default
    return tree


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
