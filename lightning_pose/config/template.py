"""A commented configuration file for one's own data, written from the schema."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator
from typing import Any

from lightning_pose.config.check import expected
from lightning_pose.config.defaults import unset_tree
from lightning_pose.config.keys import annotations_of
from lightning_pose.config.problems import in_yaml
from lightning_pose.config.schema import Config
from lightning_pose.contracts.settings import Rule, rule_of

WIDTH = 96
FILLED_IN = (
    "data.data_dir",
    "data.csv_file",
    "data.image_resize_dims.height",
    "data.image_resize_dims.width",
    "training.max_epochs",
    "model.model_type",
    "model.backbone",
)
"""Keys that a new project decides; the others are there as comments with their defaults."""
EXAMPLES = {"data.data_dir": "/path/to/my_data", "training.max_epochs": 300}
NOT_FOR_USERS = ("follows_max_epochs", "data.generator", "model.resume")

_HEAD = """\
# A configuration of litpose. Fill in `data`, uncomment what you want to change, and train with
#
#   litpose train --config-path FOLDER --config-name THIS_FILE
#
# Overrides on the command line win over this file: `litpose train ... training.max_epochs=60`.
# A key that is left out takes its default, which is what stands in its comment; null lets it
# follow training.max_epochs where its comment says so.
"""


def template() -> str:
    """Return a configuration file with every key, most of them as comments."""
    return _HEAD + "\n".join(_section(Config, unset_tree(), "", 0)) + "\n"


def default_words(rule: Rule, default: Any) -> str:
    """Return a default as a reader wants it: in words where the value would not say it."""
    if rule.default_text:
        return rule.default_text
    if rule.follows is not None:
        value = in_yaml(rule.follows.default)
        if rule.follows.how == "cap":
            return f"{value}, or max_epochs if that is less"
        return f"{value} of 300 epochs, in proportion for other lengths"
    return in_yaml(default)


def _section(section: type, defaults: dict[str, Any], prefix: str, depth: int) -> Iterator[str]:
    annotations = annotations_of(section)
    for item in dataclasses.fields(section):
        key = f"{prefix}{item.name}"
        if key in NOT_FOR_USERS:
            continue
        annotation, indent = annotations[item.name], "  " * depth
        if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
            live = any(name.startswith(f"{key}.") for name in FILLED_IN)
            title = (annotation.__doc__ or "").splitlines()[0]
            yield from ([""] if depth == 0 else [])
            yield f"{indent}# {title}"
            yield f"{indent}{'' if live else '#'}{item.name}:"
            yield from _section(annotation, defaults[item.name], f"{key}.", depth + 1)
            continue
        yield from ([""] if depth == 0 else [])
        yield from _comment(rule_of(item), annotation, defaults[item.name], indent)
        value = EXAMPLES.get(key, defaults[item.name])
        mark = "" if key in FILLED_IN else "#"
        yield f"{indent}{mark}{item.name}: {in_yaml(value)}"


def _comment(rule: Rule, annotation: Any, default: Any, indent: str) -> Iterator[str]:
    words = [rule.doc, f"{expected(annotation, rule).capitalize()}."]
    if rule.default_text or rule.follows is not None:
        words.append(f"Default: {default_words(rule, default)}.")
    start = f"{indent}# "
    yield from textwrap.wrap(" ".join(words), WIDTH, initial_indent=start, subsequent_indent=start)
