"""Hydra with our search path, and its errors in our words."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import yaml
from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightning_pose.config.search_path import LitposeSearchPath
from lightning_pose.contracts.errors import ConfigError

PRIMARY = "config"
APP = "litpose"


class _Parser(argparse.ArgumentParser):
    """Raises a ConfigError where argparse would print its usage and leave."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message.capitalize()}. `litpose train --help` lists the options.")


def argument_parser() -> argparse.ArgumentParser:
    """Return Hydra's own options, and ours."""
    parser = _Parser(prog="litpose train", parents=[get_args_parser()], add_help=False)
    parser.add_argument(
        "--legacy-weights",
        action="store_true",
        help="Double the loss weights of a configuration file from before February 2026",
    )
    return parser


@contextmanager
def hydra_session(config_dir: Path | None = None) -> Iterator[Hydra]:
    """Yield a Hydra that finds our configuration; whatever Hydra was active before comes back.

    Args:
        config_dir: a folder with more configuration groups.
    """
    version.setbase("1.3")
    # A plug-in that the package scan has found already is registered once.
    Plugins.instance().register(LitposeSearchPath)
    search_path = create_config_search_path(None)
    if config_dir is not None:
        anchor = SearchPathQuery(provider="schema")
        search_path.prepend(provider="command-line", path=f"file://{config_dir}", anchor=anchor)
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield Hydra.create_main_hydra2(task_name=APP, config_search_path=search_path)
    finally:
        GlobalHydra.instance().hydra = before


def compose(hydra: Hydra, overrides: Sequence[str], *, multirun: bool = False) -> DictConfig:
    """Return the whole configuration, Hydra's own section included.

    Raises:
        ConfigError: Hydra cannot; the message is Hydra's.
    """
    try:
        return hydra.compose_config(
            config_name=PRIMARY,
            overrides=list(overrides),
            run_mode=RunMode.MULTIRUN if multirun else RunMode.RUN,
        )
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(f"The configuration cannot be composed. {_in_words(error)}") from error


def plain_values(config: DictConfig) -> dict[str, Any]:
    """Return the sections as plain values with interpolations resolved, Hydra's left out.

    Raises:
        ConfigError: an interpolation leads nowhere.
    """
    try:
        composed: Any = {name: config[name] for name in config if name != "hydra"}
        return {
            name: OmegaConf.to_container(section, resolve=True, throw_on_missing=True)
            if OmegaConf.is_config(section)
            else section
            for name, section in composed.items()
        }
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"A value is missing, or refers to another that is not there. {_in_words(error)}"
        ) from error


def _in_words(error: BaseException) -> str:
    """Return the first lines of the innermost reason, on one line."""
    while error.__cause__ is not None and not str(error).strip():
        error = error.__cause__
    inner = error.__cause__
    text = " ".join(str(error).split())
    detail = " ".join(str(inner).split()) if inner is not None else ""
    return f"{text} {detail}".strip() if detail not in text else text
