"""The reference in docs/configuration.md: every key, written from schema and registries."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

from lightning_pose.config.check import expected
from lightning_pose.config.defaults import unset_tree
from lightning_pose.config.keys import annotations_of
from lightning_pose.config.registered import settings_of
from lightning_pose.config.schema import Config
from lightning_pose.config.template import default_words
from lightning_pose.contracts.registry import LOSSES, Registry
from lightning_pose.contracts.settings import Rule, rule_of

BEGIN = "<!-- Every key: written by lightning_pose.config.reference; do not edit below. -->"


def reference() -> str:
    """Return the tables of every key in Markdown: the schema, then registered things."""
    return "\n".join([BEGIN, "", *_sections(), *_registered_settings()])


def _sections() -> Iterator[str]:
    annotations = annotations_of(Config)
    plain = []
    for item in dataclasses.fields(Config):
        annotation = annotations[item.name]
        if not (dataclasses.is_dataclass(annotation) and isinstance(annotation, type)):
            plain.append(item.name)
            continue
        yield from (f"## `{item.name}`", "", _first_line(annotation), "", *_HEAD)
        yield from _rows(annotation, unset_tree()[item.name], f"{item.name}.")
        yield ""
    yield from ("## Other keys", "", *_HEAD)
    for item in dataclasses.fields(Config):
        if item.name in plain:
            default = unset_tree()[item.name]
            yield _row(item.name, annotations[item.name], rule_of(item), default)
    yield ""


_HEAD = ("| key | value | default | meaning |", "|---|---|---|---|")


def _rows(section: type, defaults: dict[str, Any], prefix: str) -> Iterator[str]:
    annotations = annotations_of(section)
    for item in dataclasses.fields(section):
        key, annotation = f"{prefix}{item.name}", annotations[item.name]
        if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
            yield from _rows(annotation, defaults[item.name], f"{key}.")
        else:
            yield _row(key, annotation, rule_of(item), defaults[item.name])


def _row(key: str, annotation: Any, rule: Rule, default: Any, doc: str = "") -> str:
    names = "; listed below" if rule.registry and not rule.prefix else ""
    cells = (
        f"`{key}`",
        expected(annotation, rule) + names,
        default_words(rule, default),
        rule.doc or doc,
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _registered_settings() -> Iterator[str]:
    """Yield, for each registry that the configuration names, its names and their settings."""
    config = Config()
    owners = {s.rule.params_of: s.key for s in settings_of(config) if s.rule.params_of}
    seen: set[str] = set()
    for setting in settings_of(config):
        registry = setting.rule.registry
        if registry is None or registry.kind in seen:
            continue
        seen.add(registry.kind)
        name = setting.key.rpartition(".")[2]
        params_key = "losses.{name}" if registry is LOSSES else owners.get(name, "")
        yield from (f"## {_plural(registry.kind).capitalize()}, for `{setting.key}`", "")
        yield from _entries(registry, params_key)
        yield ""


def _entries(registry: Registry[Any], params_key: str) -> Iterator[str]:
    yield from ("| name | what |", "|---|---|")
    entries = list(registry)
    yield from (f"| `{entry.name}` | {entry.summary.replace('``', '`')} |" for entry in entries)
    for entry in entries:
        if entry.params is None or not annotations_of(entry.params):
            continue
        yield from ("", f"Settings of `{entry.name}`:", "", *_HEAD)
        yield from _params_rows(entry.params, f"{params_key.format(name=entry.name)}.")


def _params_rows(params: type, prefix: str) -> Iterator[str]:
    docs, annotations = _attribute_docs(params), annotations_of(params)
    for item in dataclasses.fields(params):
        if item.name in annotations:
            doc = docs.get(item.name, "")
            yield _row(
                f"{prefix}{item.name}", annotations[item.name], rule_of(item), _default(item), doc
            )


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return None if item.default is dataclasses.MISSING else item.default


def _attribute_docs(params: type) -> dict[str, str]:
    """Return field -> its entry under "Attributes" in the class docstrings, bases included."""
    docs: dict[str, str] = {}
    for parent in reversed(params.__mro__[:-1]):
        text = inspect.getdoc(parent) or ""
        part = text.partition("Attributes:\n")[2].split("\n\n")[0]
        for match in re.finditer(r"^ {4}([\w, ]+): (.*(?:\n {8}.*)*)", part, flags=re.M):
            words = " ".join(match[2].split())
            docs |= {name.strip(): words[:1].upper() + words[1:] for name in match[1].split(",")}
    return docs


def _plural(kind: str) -> str:
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def _first_line(section: type) -> str:
    return (section.__doc__ or "").splitlines()[0]
