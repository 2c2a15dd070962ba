"""Runs a checked command line with Hydra: one job, or a multirun through launcher and sweeper."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, run_job
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from lightning_pose.config.app import PreparedApp, RunContext
from lightning_pose.config.assets import conf_dir
from lightning_pose.config.hydra_session import (
    PRIMARY,
    argument_parser,
    compose,
    hydra_session,
    plain_values,
)
from lightning_pose.config.overrides import quoted
from lightning_pose.config.problems import raise_if_any
from lightning_pose.config.run_dirs import claim
from lightning_pose.config.schema import Config
from lightning_pose.config.single_file import FILE_GROUP
from lightning_pose.config.sweep_jobs import is_study, name_of_study, settings_of_sweep
from lightning_pose.config.yaml_file import look_up, read_yaml
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.passwords import without_passwords
from lightning_pose.contracts.sweeps import TrialPlace

Task = Callable[[Config, RunContext], Any]


def run_hydra(task: Task, app: PreparedApp) -> Any:
    """Run the task once, or once for every job of a multirun, each in a run directory of its own.

    Args:
        task: gets the checked configuration and what there is to know about the run.
        app: from :func:`compose.prepare`.

    Returns:
        What the task returned; for a multirun what the sweeper returned.

    Raises:
        Whatever the task raises; in a multirun the first job's error, when the launcher is done.
    """
    with hydra_session(app.config_dir) as hydra:
        if app.multirun:
            return _run_many(hydra, task, app)
        return _run_one(hydra, task, app)


def show(app: PreparedApp) -> None:
    """Let Hydra print what it was asked for (``--cfg``, ``--help``, ``--info``) and return."""
    options = app.options
    if options is None:
        raise ConfigError("There is nothing to show; run the application instead.")
    with hydra_session(app.config_dir) as hydra:
        _show(hydra, app)


@dataclass
class _Job:
    """What Hydra calls: turns its configuration into ours and hands it to the task."""

    task: Task
    app: PreparedApp

    def __call__(self, composed: DictConfig) -> Any:
        built = self.app.build(plain_values(composed))
        raise_if_any(built.problems)
        return self.task(built.config, self._context())

    def _context(self) -> RunContext:
        about = HydraConfig.get()
        run_dir = Path(about.runtime.output_dir)
        trial = _trial(about)
        others = [path for path in run_dir.iterdir() if path.name != about.output_subdir]
        if self.app.multirun and others and trial is None:
            run_dir = claim(run_dir)
        given = _as_given(about.overrides.task) if self.app.multirun else self.app.given
        return RunContext(
            run_dir=run_dir,
            overrides=tuple(map(without_passwords, given)),
            config_file=self.app.config_file,
            resumed=self.app.resume is not None or (trial is not None and _has_begun(run_dir)),
            job=trial.number if trial else int(about.job.num) if self.app.multirun else None,
            trial=trial,
        )


def _run_one(hydra: Hydra, task: Task, app: PreparedApp) -> Any:
    """Run one job as ``Hydra.run`` does, in a claimed folder and with the task's own error."""
    config = compose(hydra, app.overrides)
    config.hydra.run.dir = str(app.resume or claim(app.cwd / config.hydra.run.dir))
    config.hydra.mode = RunMode.RUN
    callbacks = Callbacks(config)
    callbacks.on_run_start(config=config, config_name=PRIMARY)
    done: JobReturn = run_job(
        hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=callbacks),
        task_function=_Job(task, app),
        config=config,
        job_dir_key="hydra.run.dir",
        job_subdir_key=None,
    )
    callbacks.on_run_end(config=config, config_name=PRIMARY, job_return=done)
    with contextlib.redirect_stderr(io.StringIO()):  # Hydra announces the error beside raising it
        return done.return_value


def _run_many(hydra: Hydra, task: Task, app: PreparedApp) -> Any:
    sweep_dir = _sweep_dir(compose(hydra, app.overrides, multirun=True), app)
    folder = f"hydra.sweep.dir={quoted(str(sweep_dir))}"
    try:
        return hydra.multirun(
            config_name=PRIMARY,
            task_function=_Job(task, app),
            overrides=[*app.overrides, folder, "hydra.mode=MULTIRUN"],
        )
    except HydraException as error:
        raise ConfigError(f"The sweep cannot be run: {error}") from error


def _sweep_dir(composed: DictConfig, app: PreparedApp) -> Path:
    """Return the folder of a multirun: claimed, or of a study the one that it has always had."""
    if not is_study(composed):
        return claim(app.cwd / composed.hydra.sweep.dir)
    written = OmegaConf.to_container(composed.hydra.sweep, resolve=False)
    usual = look_up(read_yaml(conf_dir() / f"{PRIMARY}.yaml").tree, "hydra.sweep.dir")
    if isinstance(written, dict) and written["dir"] == usual:  # named by the time
        return app.cwd / "multirun" / name_of_study(composed)
    return app.cwd / composed.hydra.sweep.dir


def _trial(about: Any) -> TrialPlace | None:
    number = about.sweeper.get("trial")
    if number is None:
        return None
    composed = OmegaConf.create({"hydra": about})
    return TrialPlace(
        settings=settings_of_sweep(composed, Path()),
        number=int(number),
        parent_run=str(about.sweeper.parent_run or ""),
        worker=str(about.sweeper.worker or ""),
    )


def _has_begun(run_dir: Path) -> bool:
    return (run_dir / "config.yaml").is_file()


def _as_given(overrides: Any) -> tuple[str, ...]:
    """Return a job's overrides as a user would write them, without the single file's."""
    texts: Any = OmegaConf.to_container(overrides) if OmegaConf.is_config(overrides) else overrides
    plain = (text.lstrip("+") for text in texts)
    return tuple(text for text in plain if not text.startswith(f"{FILE_GROUP}="))


def _show(hydra: Hydra, app: PreparedApp) -> None:
    """Show through Hydra's own methods, as its command line would."""
    options: Any = app.options
    overrides = list(app.overrides)
    options.overrides = overrides
    if options.help:
        hydra.app_help(config_name=PRIMARY, args_parser=argument_parser(), args=options)
    elif options.hydra_help:
        hydra.hydra_help(config_name=PRIMARY, args_parser=argument_parser(), args=options)
    elif options.cfg:
        hydra.show_cfg(
            config_name=PRIMARY,
            overrides=overrides,
            cfg_type=options.cfg,
            package=options.package,
            resolve=options.resolve,
        )
    elif options.info:
        hydra.show_info(options.info, config_name=PRIMARY, overrides=overrides)
    else:
        hydra.shell_completion(config_name=PRIMARY, overrides=overrides)
