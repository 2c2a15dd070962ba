"""A user's own file with all sections, laid over the groups inside Hydra's composition."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.hydra import Hydra
from omegaconf import OmegaConf

from lightning_pose.config.check import read_section
from lightning_pose.config.keys import known_keys
from lightning_pose.config.old_keys import loss_weights, translate
from lightning_pose.config.origins import Layer, file_layer, short_path
from lightning_pose.config.problems import Problem, placed
from lightning_pose.config.schema import Config
from lightning_pose.config.search_path import store_node
from lightning_pose.config.yaml_file import leaves, look_up, put, read_yaml, take
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.files import in_home

FILE_GROUP = "config_file"
_CHOICE = "given"


@dataclass
class SingleFile:
    """A file in today's keys.

    Attributes:
        path: where it is.
        tree: its values, keys with mistakes taken out; Hydra's section included.
        layer: which line each value is from.
        problems, notes: what is wrong, what was translated.
    """

    path: Path
    tree: dict[str, Any]
    layer: Layer
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def override(self) -> str:
        """Return the group choice that lays the file over the defaults; stores the file first."""
        store_node(_CHOICE, self.tree, group=FILE_GROUP)
        return f"+{FILE_GROUP}={_CHOICE}"


def find_file(config_path: str | None, config_name: str | None, *, cwd: Path) -> Path | None:
    """Return the file that --config-path and --config-name name, None if neither is given.

    Raises:
        ConfigError: there is no such file.
    """
    if config_path is None and config_name is None:
        return None
    folder = (cwd / in_home(config_path or ".")).resolve()
    if config_name is None:
        raise ConfigError(
            f"--config-path {config_path} needs --config-name as well: the name of a file in it"
            f"{_yaml_files(folder)}."
        )
    candidates = [
        folder / config_name,
        folder / f"{config_name}.yaml",
        folder / f"{config_name}.yml",
    ]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise ConfigError(f"There is no {config_name} in {folder}{_yaml_files(folder)}.")
    return found


def load_file(
    path: Path, *, cwd: Path, legacy_weights: bool, to_resume: bool = False
) -> SingleFile:
    """Return a configuration file in today's keys, with notes and problems.

    Args:
        path: the file.
        cwd: the current folder; a path in it is shown from there.
        legacy_weights: double the loss weights.
        to_resume: the file is of a run to be carried on: keep the schedule that was worked out
            from max_epochs instead of working it out anew.

    Raises:
        ConfigError: it cannot be read at all.
    """
    file = read_yaml(path)
    if file.tree.get("defaults", ["_self_"]) != ["_self_"]:
        raise ConfigError(
            f"{short_path(path, cwd)} line {file.lines['defaults']}: a single file takes no "
            "`defaults` list; write its sections out, or give the folder as --config-dir and "
            "choose groups by override."
        )
    translation = translate({k: v for k, v in file.tree.items() if k != "defaults"})
    loss_weights(translation, legacy=legacy_weights)
    tree = translation.tree
    layer = file_layer(file, tree, moved=translation.moved, shown=short_path(path, cwd))
    result = SingleFile(path, tree, layer, notes=translation.all_notes())
    _take_out_mistakes(result)
    _take_out_old_root(result)
    if look_up(tree, "model.resume") is not None:
        rule = "is for the command line alone: litpose train model.resume=RUN"
        result.problems.append(
            Problem(key="model.resume", where=layer.find("model.resume") or "", rule=rule)
        )
    _unset_followers(tree, only="training.min_" if to_resume else "")
    return result


def conflicts(
    file: SingleFile, choices: Mapping[str, Sequence[str]], hydra: Hydra
) -> list[Problem]:
    """Return the group choices whose keys the file sets as well, so that they would be lost."""
    mine = {key for key, _ in leaves(file.tree)}
    problems = []
    for group, names in choices.items():
        for name in names:
            both = sorted(mine & set(keys_of_choice(hydra, group, name)))
            if both:
                places = ", ".join(f"{key} ({file.layer.find(key)})" for key in both)
                rule = f"sets what the file sets too and would be lost: {places}; keep one of them"
                problems.append(Problem(key=f"{group}={name}", rule=rule))
    return problems


def keys_of_choice(hydra: Hydra, group: str, name: str) -> list[str]:
    """Return the keys a group's choice sets, from its own file only."""
    loaded = hydra.config_loader.repository.load_config(f"{group}/{name}")  # pyright: ignore
    if loaded is None:
        return []
    package = loaded.header["package"]
    prefix = group.replace("/", ".") if package is None else package
    content: Any = OmegaConf.to_container(loaded.config, resolve=False)
    content.pop("defaults", None)
    tree: dict[str, Any] = {}
    if prefix in ("", "_global_"):
        tree = content
    else:
        put(tree, prefix, content)
    return [key for key, _ in leaves(tree)]


def _take_out_old_root(result: SingleFile) -> None:
    """Report values that hang on where the predecessor was installed."""
    for key, value in list(leaves(result.tree)):
        if isinstance(value, str) and "${LP_ROOT_PATH" in value:
            take(result.tree, key)
            rule = "uses the predecessor's ${LP_ROOT_PATH:}, its own folder; write the path out"
            where = result.layer.find(key) or ""
            result.problems.append(Problem(key=key, value=value, where=where, rule=rule))


def _take_out_mistakes(file: SingleFile) -> None:
    """Move keys that cannot be composed from the tree to the problems."""
    ours = {name: section for name, section in file.tree.items() if name != "hydra"}
    _, problems = read_section(Config, copy.deepcopy(ours), candidates=known_keys())
    for problem in problems:
        if problem.structural:
            file.problems.append(placed(problem, file.layer.find(problem.key) or str(file.path)))
            take(file.tree, problem.key)


def _unset_followers(tree: dict[str, Any], *, only: str) -> None:
    """Unset what litpose itself worked out from the length of training when it wrote the file."""
    keys = tree.pop("follows_max_epochs", None) or []
    kept = [key for key in keys if not key.startswith(only)]
    for key in set(keys) - set(kept):
        if look_up(tree, key) is not None:
            take(tree, key)
    if kept:
        tree["follows_max_epochs"] = kept


def _yaml_files(folder: Path) -> str:
    names = sorted(path.name for path in folder.glob("*.y*ml")) if folder.is_dir() else []
    if not folder.is_dir():
        return "; there is no such folder"
    return f"; it has {', '.join(names)}" if names else "; it has no yaml files"
