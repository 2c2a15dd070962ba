"""The sweeper ``litpose_optuna``: Optuna draws, Hydra's launcher runs, the trials tell their end.

Hydra looks for plug-ins only in this name space.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightning_pose.config.hydra_session import plain_values
from lightning_pose.config.overrides import quoted
from lightning_pose.config.problems import in_yaml
from lightning_pose.config.run_dirs import claim
from lightning_pose.config.search_space import as_texts, read_space
from lightning_pose.config.sweep_identity import Tracked, fixed_settings, tracked
from lightning_pose.config.sweep_jobs import settings_of_sweep
from lightning_pose.config.yaml_file import leaves
from lightning_pose.contracts.errors import LitposeError, TrainingError
from lightning_pose.contracts.passwords import without_passwords

if TYPE_CHECKING:
    from lightning_pose.mlops.sweeps.sweep_run import SweepRun
    from lightning_pose.mlops.sweeps.worker import Attempt, Worker

FILES = "sweeps"
__all__ = ["LitposeOptunaSweeper"]


class LitposeOptunaSweeper(Sweeper):
    """Draws trials until there are enough, and hands them to the launcher.

    Args:
        wishes: the section ``hydra.sweeper``; conf/hydra/sweeper/litpose_optuna.yaml explains it.
    """

    def __init__(self, **wishes: Any) -> None:
        self._wishes = wishes
        self.launcher = None
        self.config: Any = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra has composed."""
        from hydra.core.plugins import Plugins

        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Path:
        """Run trials until there are enough; return the folder of the sweep.

        Raises:
            ConfigError: the study cannot be opened, or was begun with other settings.
            KeyboardInterrupt: it was asked to stop; the trial is queued to be carried on.
        """
        from lightning_pose.mlops.sweeps.worker import Worker

        folder = Path(self.config.hydra.sweep.dir).resolve()
        settings = settings_of_sweep(self.config, folder)
        space, fixed = read_space(settings.params, settings.conditions, arguments)
        signature = {
            "space": as_texts(space),
            "settings": fixed_settings(self.config, space),
            "words": self._words(fixed),
        }
        place = tracked(self.config)
        common = [
            *fixed,
            _override("hydra.sweeper.storage", settings.storage),
            _override("hydra.sweeper.study_name", settings.study_name),
            *([_override("tracking.experiment", place.experiment)] if place else []),
        ]
        record = _record(place) if place else None
        with Worker(settings, space, folder, signature, claim=claim, record=record) as worker:
            while attempts := worker.next_attempts():
                with worker.running(attempts):
                    self._launch(attempts, common, worker)
        return folder

    def _words(self, fixed: Sequence[str]) -> list[str]:
        """Return what trains a model without the search: overrides, and values of its file."""
        assert self.hydra_context is not None
        loader: Any = self.hydra_context.config_loader  # its interface names no repository
        found: list[str] = []
        for text in fixed:
            key, _, value = text.lstrip("+").partition("=")
            if key == FILES:
                file = loader.repository.load_config(f"{key}/{value}")
                tree = plain_values(file.config) if file is not None else {}
                found += [f"{name}={in_yaml(of)}" for name, of in leaves(tree)]
            elif not text.startswith(("hydra.", "hydra/")):
                found.append(without_passwords(text))
        return found

    def _launch(self, attempts: Sequence[Attempt], common: Sequence[str], worker: Worker) -> None:
        assert self.launcher is not None
        jobs = [
            [
                *common,
                *attempt.overrides,
                _override("hydra.sweep.subdir", attempt.folder),
                _override("hydra.sweeper.parent_run", worker.record_id),
                _override("hydra.sweeper.worker", worker.name),
                f"hydra.sweeper.trial={attempt.number}",
            ]
            for attempt in attempts
        ]
        ends: Sequence[JobReturn] = self.launcher.launch(jobs, initial_job_idx=attempts[0].number)
        for attempt, end in zip(attempts, ends, strict=False):
            error = getattr(end, "_return_value", None)  # `return_value` would raise it
            lost = isinstance(error, TrainingError)  # taken, or given up: the sweep knows better
            if end.status == JobStatus.FAILED and isinstance(error, LitposeError) and not lost:
                worker.failed(attempt.number, str(error))


def _record(place: Tracked) -> SweepRun:
    from lightning_pose.mlops.sweeps.sweep_run import SweepRun
    from lightning_pose.mlops.tracking.store import StorePlace

    store = StorePlace.choose(uri=place.uri, artifact_dir=place.artifact_dir, cwd=Path.cwd())
    return SweepRun(store, experiment=place.experiment)


def _override(key: str, text: str) -> str:
    return f"{key}={quoted(text)}"
