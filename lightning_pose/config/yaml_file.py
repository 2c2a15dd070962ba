"""A yaml file as plain values, with the line of every key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightning_pose.contracts.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class YamlFile:
    """What a file holds: plain values (interpolations still as text) and dotted key -> line."""

    path: Path
    tree: dict[str, Any]
    lines: dict[str, int]


def read_yaml(path: Path, *, may_be_empty: bool = False) -> YamlFile:
    """Return the sections and lines of a configuration file.

    Raises:
        ConfigError: it is missing, is no yaml, or holds something else than sections.
    """
    try:
        text = path.read_text(encoding="utf-8")
        loaded = OmegaConf.create(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except FileNotFoundError as error:
        raise ConfigError(f"There is no configuration file {path}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid yaml: {_reason(error)}.") from error
    except OmegaConfBaseException as error:
        raise ConfigError(f"{path} is not a usable configuration: {error}.") from error
    if node is None and may_be_empty:
        return YamlFile(path=path, tree={}, lines={})
    if not isinstance(loaded, DictConfig) or not isinstance(node, yaml.MappingNode):
        raise ConfigError(
            f"{path} should hold sections such as `data:` and `training:`, but it "
            f"{'is empty' if node is None else 'holds something else'}."
        )
    tree: Any = OmegaConf.to_container(loaded, resolve=False)
    return YamlFile(path=path, tree=tree, lines=dict(_lines(node, "")))


def leaves(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted key and value of everything in a tree that is not a mapping with entries."""
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{key}.")
        else:
            yield key, value


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in a tree, making the sections it lies in."""
    *sections, last = key.split(".")
    for name in sections:
        inner = tree.get(name)
        tree[name] = inner if isinstance(inner, dict) else {}
        tree = tree[name]
    tree[last] = value


def take(tree: dict[str, Any], key: str) -> Any:
    """Remove a dotted key from a tree and return its value; drop sections left empty.

    Raises:
        KeyError: there is no such key.
    """
    name, _, rest = key.partition(".")
    if not rest:
        return tree.pop(name)
    inner = tree[name]
    if not isinstance(inner, dict):
        raise KeyError(key)
    value = take(inner, rest)
    if not inner:
        del tree[name]
    return value


def look_up(tree: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """Return the value of a dotted key, or the default where there is none."""
    value: Any = tree
    for name in key.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return default
        value = value[name]
    return value


def _lines(node: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, int]]:
    for key_node, value_node in node.value:
        key = f"{prefix}{key_node.value}"
        yield key, key_node.start_mark.line + 1
        if isinstance(value_node, yaml.MappingNode):
            yield from _lines(value_node, f"{key}.")


def _reason(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}: {what}" if mark is not None else str(what)
