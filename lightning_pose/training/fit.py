"""Train a tracker: the one function that puts the pieces of this room together."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers.logger import Logger

from lightning_pose.config.schema import TrainingConfig
from lightning_pose.contracts.errors import ConfigError, TrainingError, VideoError
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.ops.arithmetic import fixed_order_of_sums
from lightning_pose.training.checkpoints import SAVE_EVERY_S, Checkpoints
from lightning_pose.training.device import choose_device
from lightning_pose.training.health import LossWatch, NameRows
from lightning_pose.training.length import Length, batches_used, length_of
from lightning_pose.training.lightning_trainer import make_trainer, run_trainer
from lightning_pose.training.pruning import Judge, Pruning
from lightning_pose.training.result import (
    FINISHED,
    INTERRUPTED,
    PRUNED,
    STOPPED_EARLY,
    FitResult,
)
from lightning_pose.training.resuming import Start, bring_best, starting_point
from lightning_pose.training.run_lock import locked
from lightning_pose.training.speed import Loader, Speed, TimedLoader
from lightning_pose.training.stages import BackboneFreezing, Ending, Patience, StepSeeds
from lightning_pose.training.tensorboard import TensorBoardCurves
from lightning_pose.training.unlabeled import (
    Annealing,
    PairedLoader,
    UnlabeledVideo,
    ValidationLoader,
    check_video,
)
from lightning_pose.training.world import ALONE, World, joined


def fit(
    tracker: BaseSupervisedTracker,
    train_loader: Loader,
    val_loader: Loader | None,
    *,
    settings: TrainingConfig,
    run_dir: Path,
    unlabeled: UnlabeledVideo | None = None,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[pl.Callback] = (),
    resume_from: Path | None = None,
    name_rows: NameRows | None = None,
    save_every_s: float = SAVE_EVERY_S,
    judge: Judge | None = None,
    world: World = ALONE,
) -> FitResult:
    """Train ``tracker``; return where its checkpoints are and how it went.

    Args:
        tracker: built with losses and with ``optimizer_for(settings)``.
        train_loader: batches to learn from, a function of seed and epoch.
        val_loader: batches to choose the best weights by; None or empty: the last are the best.
        settings: the section ``training`` of the configuration.
        run_dir: gets ``checkpoints/`` and ``tb_logs/``; locked meanwhile.
        unlabeled: video to learn from as well, for a tracker with losses on it.
        loggers: take the metrics as well.
        callbacks: Lightning callbacks that run as well, progress for instance.
        resume_from: run directory or last.ckpt to carry on; killed before one, it starts anew.
        name_rows: the images of rows of the label table, for messages.
        save_every_s: least seconds between two savings; 0 saves after every epoch.
        judge: is told each validation pixel error, and may end (prune) the training.
        world: of the processes that train together; all call this, only the first one writes.

    Raises:
        ConfigError: this machine has not what the settings ask, or the tracker no use for video.
        TrainingError: a number became NaN, the folder is in use, or it cannot be resumed.
        DataError, WriteError: there is nothing to train on; a checkpoint could not be written.
    """
    started = time.perf_counter()
    with _together(world, settings, run_dir):
        start = starting_point(resume_from, tracker, settings)
        bring_best(start, run_dir / "checkpoints")
        loader = train_loader if unlabeled is None else PairedLoader(train_loader, unlabeled)
        length = length_of(settings, num_batches=batches_used(len(loader), settings))
        check_video(tracker, unlabeled, epochs=length.epochs)
        pieces = _pieces(settings, length, loader, run_dir, name_rows, save_every_s, judge)
        trainer = make_trainer(
            settings,
            length,
            tracker,
            run_dir=run_dir,
            loggers=_loggers(run_dir, start, loggers) if world.rank == 0 else [],
            callbacks=[*_annealing(unlabeled), *pieces.callbacks, *callbacks],
        )
        validate = _validation(val_loader, unlabeled)
        with _failures_told(pieces.checkpoints), _order_of_sums(settings):
            interrupted = run_trainer(trainer, tracker, pieces.loader, validate, start.last)
        notes = start.notes + _notes(settings, length, has_validation=bool(val_loader))
        return _result(trainer, pieces, started, was_interrupted=interrupted, notes=notes)


@contextmanager
def _together(world: World, settings: TrainingConfig, run_dir: Path) -> Iterator[None]:
    """Train with the others of the world; the first process holds the run directory for all.

    Raises:
        ConfigError: the settings ask for other processes, or what this machine has not.
    """
    device = choose_device(settings).device
    if world.size != settings.processes:
        raise ConfigError(
            f"training.num_gpus and num_nodes ask for {settings.processes} processes, but `fit` "
            f"was told of {world.size}. `litpose train` starts them all; a script of your own "
            "passes `world` (docs/several_gpus.md)."
        )
    with locked(run_dir) if world.rank == 0 else nullcontext(), joined(world, device):
        yield


def _order_of_sums(settings: TrainingConfig) -> AbstractContextManager[None]:
    return fixed_order_of_sums(wanted=settings.deterministic)


def _loggers(run_dir: Path, start: Start, others: Sequence[Logger]) -> list[Logger]:
    return [TensorBoardCurves(run_dir / "tb_logs", resume_step=start.step), *others]


@dataclass(frozen=True, kw_only=True)
class _Pieces:
    loader: TimedLoader
    speed: Speed
    checkpoints: Checkpoints
    patience: Patience | None
    pruning: Pruning | None
    others: tuple[pl.Callback, ...]

    @property
    def callbacks(self) -> list[pl.Callback]:
        stops = [stop for stop in (self.patience, self.pruning) if stop is not None]
        return [*self.others, self.speed, *stops, self.checkpoints]


def _pieces(
    settings: TrainingConfig,
    length: Length,
    train_loader: Loader,
    run_dir: Path,
    name_rows: NameRows | None,
    save_every_s: float,
    judge: Judge | None,
) -> _Pieces:
    loader = TimedLoader(train_loader)
    watch = LossWatch(name_rows, every_n_steps=settings.log_every_n_steps)
    checkpoints = Checkpoints(
        run_dir / "checkpoints",
        length=length,
        watch=watch,
        every_s=save_every_s,
        keep_every_n_epochs=settings.ckpt_every_n_epochs,
    )
    patience = Patience(settings.early_stop_patience, length) if settings.early_stopping else None
    seeds = StepSeeds(settings.rng_seed_model_pt)
    return _Pieces(
        loader=loader,
        speed=Speed(loader),
        checkpoints=checkpoints,
        patience=patience,
        pruning=Pruning(judge) if judge is not None else None,
        others=(seeds, BackboneFreezing(length), Ending(length), watch),
    )


@contextmanager
def _failures_told(checkpoints: Checkpoints) -> Iterator[None]:
    """Say with what goes wrong in training which checkpoints are left.

    Raises:
        TrainingError: training failed, a video can no longer be read, or the GPU has too little
            memory.
    """
    try:
        yield
    except (TrainingError, VideoError) as error:
        raise TrainingError(f"{error} {_kept(checkpoints)}") from error
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"The memory of the GPU is too small for this training ({error.args[0]}). Lower "
            "training.train_batch_size or data.image_resize_dims, or choose a smaller "
            f"model.backbone. {_kept(checkpoints)}"
        ) from error


def _annealing(unlabeled: UnlabeledVideo | None) -> list[pl.Callback]:
    return [] if unlabeled is None else [Annealing(unlabeled)]


def _validation(labeled: Loader | None, unlabeled: UnlabeledVideo | None) -> TimedLoader | None:
    if unlabeled is not None and unlabeled.val is not None:
        labeled = ValidationLoader(labeled, unlabeled.val)
    return TimedLoader(labeled) if labeled is not None and len(labeled) else None


def _kept(checkpoints: Checkpoints) -> str:
    if not checkpoints.last_path.is_file():
        return "No checkpoint had been saved yet."
    return f"The last good checkpoints are kept in {checkpoints.folder}."


def _result(
    trainer: pl.Trainer,
    pieces: _Pieces,
    started: float,
    *,
    was_interrupted: bool,
    notes: tuple[str, ...],
) -> FitResult:
    kept, speed = pieces.checkpoints, pieces.speed
    has_best = math.isfinite(kept.best_error)
    first = speed.first_step_at
    return FitResult(
        best_checkpoint=kept.best_path if kept.best_path.is_file() else None,
        last_checkpoint=kept.last_path if kept.last_path.is_file() else None,
        val_pixel_error=kept.best_error if has_best else None,
        best_epoch=kept.best_epoch,
        epochs=trainer.current_epoch,
        steps=trainer.global_step,
        outcome=INTERRUPTED if was_interrupted else _end(pieces),
        seconds=speed.seconds,
        first_step_s=first - started if first is not None else math.nan,
        frames_per_second=speed.frames_per_second,
        data_wait_share=speed.data_wait_share,
        notes=notes,
    )


def _end(pieces: _Pieces) -> str:
    if pieces.pruning is not None and pieces.pruning.has_pruned:
        return PRUNED
    early = pieces.patience is not None and pieces.patience.has_stopped
    return STOPPED_EARLY if early else FINISHED


def _notes(settings: TrainingConfig, length: Length, *, has_validation: bool) -> tuple[str, ...]:
    notes = []
    if not has_validation:
        notes.append(
            "There are no validation frames, so the last weights count as the best; set "
            "training.val_prob to keep some."
        )
    if settings.early_stopping and length.min_epochs >= length.epochs:
        notes.append(
            f"Early stopping could not act: training.min_epochs ({length.min_epochs}) is not "
            f"below the length of training ({length.epochs} epochs)."
        )
    return tuple(notes)
