"""Overrides from the command line, checked and put right before Hydra sees them.

Hydra stops at the first unknown key and names no neighbour. Here every override is parsed with
Hydra's own grammar, its key looked up in the schema, and old keys are translated. A ``+`` in front
of a key makes no difference: what may be set is what the schema knows.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, Quote, QuotedString
from hydra.errors import HydraException

from lightning_pose.config.keys import is_known, known_keys, unknown_key
from lightning_pose.config.old_keys import Translation, translate
from lightning_pose.config.origins import Layer, override_layer
from lightning_pose.config.problems import Problem, in_yaml
from lightning_pose.config.yaml_file import leaves, look_up, put

NO_GLOB = "cannot be listed before Hydra runs; write the names out, a,b,c"


@dataclass
class Overrides:
    """The overrides of one command line.

    Attributes:
        for_hydra: what to hand to Hydra, checked and translated.
        choices: group -> chosen names (several in a sweep).
        values: key, value and original text of every plain value.
        sweeps: key -> the values it sweeps over, where they can be listed.
        problems, notes: what is wrong, what was translated.
    """

    for_hydra: list[str] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)
    values: list[tuple[str, Any, str]] = field(default_factory=list)
    sweeps: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def value(self, key: str) -> Any:
        """Return the value an override gives to a key, None if there is none."""
        return next((value for name, value, _ in reversed(self.values) if name == key), None)

    def layer(self) -> Layer:
        """Return where the values come from."""
        swept = [(key, None, text) for key, text in self.sweeps.items()]
        return override_layer([*self.values, *swept])


def quoted(text: str) -> str:
    """Return a text as the value of an override, whatever characters it has.

    Example:
        >>> quoted("my mice, 2026")
        "'my mice, 2026'"
    """
    return QuotedString(text=text, quote=Quote.single).with_quotes()


def read_overrides(
    texts: Sequence[str],
    *,
    groups: Mapping[str, Sequence[str]],
    standing: Iterable[str],
    multirun: bool,
    below: Mapping[str, Any] | None = None,
) -> Overrides:
    """Return the overrides, sorted by what they do, with everything that is wrong with them.

    Args:
        texts: as given on the command line.
        groups: configuration group -> its choices.
        standing: groups that the primary configuration chooses from already.
        multirun: whether several values per key are allowed.
        below: values of the user's file, which translating old keys may ask.
    """
    result = Overrides()
    parsed = [item for text in texts if (item := _parse(text, result)) is not None]
    standing = set(standing)
    plain: list[Override] = []
    for item in parsed:
        key = item.key_or_group
        if item.is_sweep_override() and not multirun:
            result.problems.append(_needs_multirun(item))
        elif isinstance(item.value(), Glob):
            result.problems.append(Problem(key=item.input_line or key, rule=NO_GLOB))
        elif item.is_hydra_override():
            result.for_hydra.append(item.input_line or "")
        elif key in groups and not item.is_delete():
            _read_choice(item, groups[key], result, added=key not in standing)
        elif item.is_delete():
            _read_deletion(item, result, group=key in groups)
        elif item.is_sweep_override():
            _read_sweep(item, result)
        else:
            plain.append(item)
    _read_values(plain, result, below or {})
    return result


def _parse(text: str, result: Overrides) -> Override | None:
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        result.problems.append(Problem(key=text, rule=_syntax_rule(text, error)))
        return None


def _syntax_rule(text: str, error: HydraException) -> str:
    if text.endswith((".yaml", ".yml")) and "=" not in text:
        return "is a file; train from it with --config-path FOLDER --config-name FILE"
    if text.startswith("-"):
        return "there is no such option; `litpose train --help` lists them"
    if "=" not in text:
        return "must be written KEY=VALUE"
    reason = str(error).splitlines()[0]
    return f"cannot be read ({reason}); quote the value: {text.partition('=')[0]}=\"'...'\""


def _needs_multirun(item: Override) -> Problem:
    return Problem(
        key=item.key_or_group,
        where=f"override {item.input_line}",
        rule="has several values; add -m to train with each, or write one value: [a,b] for a "
        "list, \"'a,b'\" for text with a comma",
    )


def _read_choice(
    item: Override, options: Sequence[str], result: Overrides, *, added: bool
) -> None:
    group = item.key_or_group
    if item.is_sweep_override():
        chosen = list(item.sweep_string_iterator()) if item.is_discrete_sweep() else []
    else:
        value = item.value()
        chosen = [str(name) for name in value] if isinstance(value, list) else [str(value)]
    wrong = [name for name in chosen if name not in options]
    for name in wrong:
        result.problems.append(
            Problem(key=f"{group}={name}", rule=_no_choice(group, name, options))
        )
    if not wrong:
        result.choices[group] = chosen
        text = (item.input_line or "").lstrip("+")
        result.for_hydra.append(f"+{text}" if added else text)


def _no_choice(group: str, name: str, options: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    hint = f" did you mean {group}={near[0]}?" if near else ""
    return f"there is no such choice;{hint} {group} has {', '.join(sorted(options))}"


def _read_deletion(item: Override, result: Overrides, *, group: bool) -> None:
    key = item.key_or_group
    if not group and (key in known_keys() or not is_known(key)):
        rule = "cannot be taken away; set it to null or to another value"
        result.problems.append(Problem(key=f"~{key}", rule=rule))
        return
    result.for_hydra.append(item.input_line or "")


def _read_sweep(item: Override, result: Overrides) -> None:
    key = item.key_or_group
    if not is_known(key):
        result.problems.append(_unknown(key, item.input_line or ""))
        return
    result.sweeps[key] = item.input_line or ""
    result.for_hydra.append(f"{key}={(item.input_line or '').partition('=')[2]}")


def _read_values(items: Sequence[Override], result: Overrides, below: Mapping[str, Any]) -> None:
    """Check every key; overrides of old keys come last, in today's keys."""
    context = copy.deepcopy(dict(below))
    for item in items:
        put(context, item.key_or_group, item.value())
    for item in items:
        key, value, text = item.key_or_group, item.value(), item.input_line or ""
        if not _is_old(key, value, context):
            _add_value(key, value, text, text.partition("=")[2], result)
    for item in items:
        key, value, text = item.key_or_group, item.value(), item.input_line or ""
        if _is_old(key, value, context):
            translation = _translated(key, value, context)
            result.notes += translation.all_notes()
            for new, now in leaves(translation.tree):
                _add_value(new, now, text, in_yaml(now), result)


def _translated(key: str, value: Any, context: Mapping[str, Any]) -> Translation:
    tree: dict[str, Any] = {}
    put(tree, key, value)
    return translate(tree, below=context)


def _is_old(key: str, value: Any, context: Mapping[str, Any]) -> bool:
    return value is not None and look_up(_translated(key, value, context).tree, key) != value


def _add_value(key: str, value: Any, text: str, written: str, result: Overrides) -> None:
    keys = [key]
    if isinstance(value, dict) and key in known_keys():
        keys = [inner for inner, _ in leaves(value, f"{key}.")] or [key]
    wrong = [inner for inner in keys if not is_known(inner)]
    result.problems += [_unknown(inner, text) for inner in wrong]
    if not wrong:
        result.values.append((key, value, text))
        result.for_hydra.append(f"{key}={written}")


def _unknown(key: str, text: str) -> Problem:
    rule = unknown_key(key, known_keys())
    return Problem(key=key, where=f"override {text}", rule=rule, structural=True)
