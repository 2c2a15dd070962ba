"""Configurations of finished runs: written into the run directory, read back from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lightning_pose.config.check import read_section
from lightning_pose.config.defaults import plain_tree
from lightning_pose.config.keys import known_keys
from lightning_pose.config.old_keys import translate
from lightning_pose.config.origins import Origins, file_layer
from lightning_pose.config.overrides import read_overrides
from lightning_pose.config.paths import Places, settle_found
from lightning_pose.config.problems import placed, raise_if_any
from lightning_pose.config.schema import Config
from lightning_pose.config.yaml_file import put, read_yaml
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.passwords import without_passwords

FILE_NAME = "config.yaml"


def config_to_yaml(config: Config) -> str:
    """Return a configuration as yaml, every key written out; :func:`load_config` reads it."""
    tree: Any = plain_tree(config)
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=99)


def write_run_config(config: Config, run_dir: Path) -> Path:
    """Write ``config.yaml`` into a run directory and return its path.

    ``model.resume`` is left out: the file describes the training, and can be trained again.
    Passwords in URLs are hidden.
    """
    model = dataclasses.replace(config.model, resume=None)
    text = config_to_yaml(dataclasses.replace(config, model=model))
    return write_text(run_dir / FILE_NAME, without_passwords(text))


def load_run_config(run_dir: Path, *, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration that a run was made with.

    Values are checked for type and range; whether its files are still there is not asked.

    Args:
        run_dir: the run directory.
        overrides: ``KEY=VALUE`` texts that change values.

    Raises:
        ConfigError: there is none, or it has mistakes.
    """
    path = run_dir / FILE_NAME
    if not path.is_file():
        raise ConfigError(f"{path} is missing; is {run_dir} a run directory?")
    return load_config(path, overrides=overrides)


def load_config(path: Path, *, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration in a single file as it stands, without groups.

    Relative paths are looked for in the file's folder, then in the current one (those of
    overrides the other way round); one that is in neither stays as it is.

    Args:
        path: the file.
        overrides: ``KEY=VALUE`` texts that change values.

    Raises:
        ConfigError: the file cannot be read, or it or an override has mistakes.
    """
    file = read_yaml(path)
    changed = read_overrides(overrides, groups={}, standing=(), multirun=False, below=file.tree)
    translation = translate({key: value for key, value in file.tree.items() if key != "hydra"})
    tree = translation.tree
    for key, value, _ in changed.values:
        put(tree, key, value)
    config, problems = read_section(Config, tree, candidates=known_keys())
    layer = file_layer(file, tree, moved=translation.moved, shown=str(path))
    overridden = changed.layer()
    origins = Origins((overridden, layer))
    raise_if_any([placed(p, origins.of(p.key)) for p in (*changed.problems, *problems)])
    places = Places(
        cwd=Path.cwd(),
        config_dir=path.resolve().parent,
        is_override=lambda key: overridden.find(key) is not None,
    )
    settle_found(config, places)
    return config


def default_config(*, overrides: Sequence[str] = ()) -> Config:
    """Return the defaults with overrides, for models that came without a run.

    Args:
        overrides: ``KEY=VALUE`` texts that change values.

    Raises:
        ConfigError: an override has mistakes.
    """
    read = read_overrides(overrides, groups={}, standing=(), multirun=False)
    tree: dict[str, object] = {}
    for key, value, _ in read.values:
        put(tree, key, value)
    config, problems = read_section(Config, tree, candidates=known_keys())
    raise_if_any([*read.problems, *problems])
    return config


class _Dumper(yaml.SafeDumper):
    """Writes lists of plain values on one line and indents the others."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    flat = not any(isinstance(item, (list, dict)) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flat)


_Dumper.add_representer(list, _list)
