"""Run directories: each is claimed by making it, so that two runs never share one."""

from __future__ import annotations

import itertools
from pathlib import Path

from lightning_pose.contracts.errors import ConfigError, WriteError
from lightning_pose.contracts.files import in_home


def claim(wanted: Path) -> Path:
    """Make a folder that did not exist and return it: ``wanted``, or with ``_1``, ``_2``... added.

    Raises:
        ConfigError: it is the current folder, or one that holds it.
        WriteError: the folder cannot be made.
    """
    if Path.cwd().is_relative_to(wanted.resolve()):
        raise ConfigError(
            f"hydra.run.dir names {wanted.resolve()}, which is or holds the current folder; a run "
            "needs a folder of its own, such as runs/first."
        )
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        return next(path for path in _candidates(wanted) if _is_made(path))
    except OSError as error:
        reason = error.strerror or error
        raise WriteError(f"The run directory {wanted} cannot be made: {reason}.") from error


def find_run(named: str, *, cwd: Path, key: str = "model.resume") -> Path:
    """Return the run directory that a key of the configuration names.

    A relative name is looked for in the current folder, then under ``outputs/``.

    Raises:
        ConfigError: there is none, or it holds no configuration.
    """
    candidates = [cwd / in_home(named), cwd / "outputs" / named]
    found = next((path.resolve() for path in candidates if path.is_dir()), None)
    if found is None:
        raise ConfigError(f"{key} = {named!r}: there is no such run directory.")
    if not (found / "config.yaml").is_file():
        raise ConfigError(
            f"{key} = {named!r}: {found} has no config.yaml, so it is no run directory or "
            "was stopped before training began; start it anew."
        )
    return found


def _is_made(path: Path) -> bool:
    """Make the folder; tell whether it was us who made it."""
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def _candidates(wanted: Path) -> itertools.chain[Path]:
    numbered = (wanted.with_name(f"{wanted.name}_{number}") for number in itertools.count(1))
    return itertools.chain([wanted], numbered)
