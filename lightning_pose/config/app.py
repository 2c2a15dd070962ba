"""What is known about a command line once it is checked, and what a task is told about its run."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_pose.config.build import Built, Hooks, build_config
from lightning_pose.config.origins import Layer, Origins
from lightning_pose.config.paths import Places
from lightning_pose.contracts.sweeps import TrialPlace


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What a task is told about its run beside the configuration.

    Attributes:
        run_dir: a folder of the run's own, made; the run's as it was when resuming.
        overrides: as the user gave them, with this job's values of a multirun; no passwords.
        config_file: the single file the configuration came from.
        resumed: the run directory holds a training to be carried on.
        job: number of the job in a multirun, None otherwise.
        trial: of the sweep that this run is a trial of.
    """

    run_dir: Path
    overrides: tuple[str, ...] = ()
    config_file: Path | None = None
    resumed: bool = False
    job: int | None = None
    trial: TrialPlace | None = None


@dataclass(frozen=True, kw_only=True)
class PreparedApp:
    """A checked command line, ready for Hydra. Plain enough to be sent to another process.

    Attributes:
        overrides: what Hydra gets.
        given: the overrides as the user gave them.
        cwd: the folder the command was given in.
        config_file: the single file, if one was named.
        config_dir: a folder with more configuration groups, if one was named.
        multirun: several jobs are to be run.
        resume: the run directory to carry on in.
        notes: sentences for the user, about translated keys and the like.
        options: Hydra's options where it shall show something instead of running, None otherwise.
        layers: where values came from, the strongest first.
        hooks: functions of rooms above.
    """

    overrides: tuple[str, ...]
    given: tuple[str, ...]
    cwd: Path
    config_file: Path | None = None
    config_dir: Path | None = None
    multirun: bool = False
    resume: Path | None = None
    notes: tuple[str, ...] = ()
    options: argparse.Namespace | None = None
    layers: tuple[Layer, ...] = ()
    hooks: Hooks = field(default_factory=Hooks)

    @property
    def shows_only(self) -> bool:
        """Tell whether Hydra is asked to show something instead of running."""
        return self.options is not None

    def build(self, tree: dict[str, Any], **more: Any) -> Built:
        """Return the configuration of a composed tree (see ``build.build_config``)."""
        return build_config(
            tree, places=self.places(), origins=Origins(self.layers), hooks=self.hooks, **more
        )

    def places(self) -> Places:
        """Return where relative paths are looked for."""
        config_dir = self.config_file.parent if self.config_file else None
        return Places(cwd=self.cwd, config_dir=config_dir, is_override=self._is_override)

    def _is_override(self, key: str) -> bool:
        return bool(self.layers) and self.layers[0].find(key) is not None
