"""The record of a run while it happens: run.json and the tracking store."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from lightning.pytorch.loggers.logger import Logger

from lightning_pose.cli.opening import plugin_folders
from lightning_pose.cli.terminal import note
from lightning_pose.cli.train.run_tags import (
    data_set_name,
    datasets,
    default_run_name,
    describing_tags,
)
from lightning_pose.config.app import RunContext
from lightning_pose.config.defaults import plain_tree
from lightning_pose.config.schema import Config
from lightning_pose.contracts.errors import LitposeError, WriteError
from lightning_pose.contracts.file_hashes import FileHashes
from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.run_record import PLUGINS, RUN_FILE, RunRecord
from lightning_pose.metrics.summary import Summary
from lightning_pose.mlops.learning_curves import History
from lightning_pose.mlops.provenance import (
    close_record,
    code_difference,
    open_record,
)
from lightning_pose.mlops.tracking import RunTracker, start_tracking
from lightning_pose.mlops.tracking.spool import NAME
from lightning_pose.mlops.tracking.store import RUN_TAG
from lightning_pose.mlops.versions.dvc_files import with_dvc
from lightning_pose.mlops.versions.project import project_state
from lightning_pose.training.result import INTERRUPTED, PRUNED, FitResult

PATCH = "code.patch"
FINISHED, FAILED, KILLED = "finished", "failed", "interrupted"
Recorded = TypeVar("Recorded", bound="RecordedRun")
DECIMALS = 4  # of numbers in a table of runs, whose columns are narrow
TABLES = ("*.csv", "metrics.json")
NUMBERS = ("mean_px", "median_px", "p90_px", "pck_5px", "pck_10px", "oks")


class RecordedRun:
    """Opens the record of a run before training, keeps what it makes, closes it in any case.

    Args:
        config: the configuration.
        context: the run directory and what else is known of the run.
        data: hashes of what it learns from.
        images: the labelled images.
    """

    def __init__(
        self,
        config: Config,
        context: RunContext,
        data: Mapping[str, dict[str, Any]],
        *,
        images: Iterable[Path] = (),
    ) -> None:
        self._config = config
        self._path = context.run_dir / RUN_FILE
        self._lock = threading.Lock()  # the thread that opens the store changes the record too
        self._metrics: dict[str, Any] = {}
        self._fit: FitResult | None = None
        self._last_files: list[Callable[[], Path]] = []
        before = RunRecord.read(self._path) if context.resumed and self._path.exists() else None
        self._before = before
        self._record = open_record(
            run_dir=context.run_dir,
            overrides=context.overrides,
            data=with_dvc(data, images=images),
            project=project_state(Path(config.data.data_dir or ""), Path.cwd()),
            seeds={
                "data": config.training.rng_seed_data_pt,
                "model": config.training.rng_seed_model_pt,
            },
            resumed=before,
        )
        code = self._record.code | {PLUGINS: plugin_folders(config.plugins)}
        parent = context.trial.parent_run or None if context.trial else None
        self._record = dataclasses.replace(self._record, code=code, parent=parent)
        self._record.write(self._path)
        self._tracker = _start(config, context, self._record, on_open=self._note_identity)

    @property
    def loggers(self) -> list[Logger]:
        """Return what takes the curves of the training."""
        return [self._tracker.logger]

    @property
    def history(self) -> History:
        """Return (step, value) of each metric that was logged since this process began."""
        return self._tracker.logger.history

    def __enter__(self: Recorded) -> Recorded:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        interrupted = isinstance(error, KeyboardInterrupt) or (
            self._fit is not None and self._fit.outcome == INTERRUPTED
        )
        outcome = KILLED if interrupted else FAILED if error is not None else self._end()
        try:
            self._finish(outcome)
        except WriteError:
            if error is None:  # else what went wrong first is to be told
                raise

    def _end(self) -> str:
        return PRUNED if self._fit is not None and self._fit.outcome == PRUNED else FINISHED

    def trained(self, result: FitResult) -> None:
        """Take down how the training went."""
        self._fit = result
        self._metrics |= {
            "val_pixel_error": result.val_pixel_error,
            "best_epoch": result.best_epoch,
            "epochs": result.epochs,
            "steps": result.steps,
            "training_s": round(result.seconds, 1),
            "frames_per_second": round(result.frames_per_second, 1),
        }
        self._tracker.log_metrics(
            {name: value for name, value in self._metrics.items() if value is not None},
            step=result.steps,
        )

    def log_summary(self, summary: Summary, *, prefix: str = "") -> None:
        """Take down the numbers of labelled sets: ``test_mean_px`` and so on, with a prefix."""
        numbers = {
            f"{prefix}{part}_{name}": values[name]
            for part, values in summary.items()
            for name in NUMBERS
            if isinstance(values, dict) and values.get(name) is not None
        }
        self._metrics |= numbers
        shown = {name: round(value, DECIMALS) for name, value in numbers.items()}
        self._tracker.log_metrics(shown, step=self._fit.steps if self._fit else 0)

    def log_video(self, name: str, summary: Summary) -> None:
        """Take down the numbers of a predicted video."""
        self._metrics[f"video_{name}"] = summary

    def keep(self, *files: Path, folder: str | None = None) -> None:
        """Store files with the run."""
        for path in files:
            self._tracker.log_artifact(path, folder)

    def at_close(self, write: Callable[[], Path]) -> None:
        """Store a file that can be written only when the record is closed, by what writes it."""
        self._last_files.append(write)

    def _note_identity(self, identity: dict[str, str]) -> None:
        """Write down at once where the run is recorded, so that a killed run can be carried on."""
        with self._lock:
            self._record = dataclasses.replace(self._record, tracking=identity)
            self._record.write(self._path)

    def _finish(self, outcome: str) -> None:
        best = self._fit.best_checkpoint if self._fit else None
        files = _table_hashes(self._path.parent)
        refused = self._fit is None and outcome == FAILED
        with self._lock:
            self._record = close_record(
                self._record,
                outcome=outcome,
                metrics=self._metrics,
                checkpoint=best,
                files=files,
            )
            if self._before is not None and refused:  # what an earlier one came to is not lost
                self._record = self._before
            self._record.write(self._path)
        self.keep(self._path)
        try:
            for write in self._last_files:
                self.keep(write())
        except LitposeError as error:
            note(str(error))
        finally:
            if best is not None and self._config.tracking.log_models:
                self._tracker.log_model(self._path.parent)
            for warning in self._tracker.finish(FINISHED if outcome == PRUNED else outcome):
                note(warning)


def _table_hashes(run_dir: Path) -> dict[str, str]:
    """Return the hash of each table in a run directory, so that a later edit can be told."""
    tables = sorted(path for ending in TABLES for path in run_dir.glob(ending))
    with FileHashes() as hashes:
        return {path.name: digest for path, digest in hashes.of_all(tables).items()}


def _start(
    config: Config,
    context: RunContext,
    record: RunRecord,
    *,
    on_open: Callable[[dict[str, str]], None],
) -> RunTracker:
    wishes = config.tracking
    data_set = data_set_name(config.data)
    name = wishes.run_name or config.model.model_name or default_run_name(config, context)
    tracker = start_tracking(
        wishes,
        experiment=wishes.experiment or data_set,
        run_name=name,
        params=plain_tree(config),
        tags={
            **wishes.tags,
            **(context.trial.tags if context.trial else {}),
            RUN_TAG: record.run_id,
            "run_dir": str(context.run_dir),
            "model": config.model.model_type,
            "backbone": config.model.backbone,
            "data": data_set,
            "overrides": " ".join(context.overrides),
            **describing_tags(record, config),
        },
        spool=context.run_dir / NAME,
        resume_id=record.tracking.get("run_id"),
        on_open=on_open,
    )
    patch = code_difference()
    if patch:
        write_text(context.run_dir / PATCH, patch)
    for path in ("config.yaml", "splits.csv", PATCH):
        tracker.log_artifact(context.run_dir / path)
    tracker.log_inputs(datasets(record.data))
    return tracker
