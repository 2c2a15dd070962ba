"""Keeping the best and the last state of a training."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import loss_names, loss_state
from lightning_pose.ops.processes import as_first_process, process_rank
from lightning_pose.training.checkpoint_files import (
    BEST,
    LAST,
    LOSS_NAMES,
    copied_weights,
    write_weights,
)
from lightning_pose.training.health import LossWatch, all_finite
from lightning_pose.training.length import Length
from lightning_pose.training.stages import PIXEL_ERROR

SAVE_EVERY_S = 20.0
LARGEST_SHARE = 0.04


class Checkpoints(Checkpoint):
    """Writes best.ckpt and last.ckpt together, at ends of epochs.

    An epoch may take 50 ms and saving half a second: files are written after the first epoch, so
    that an interruption leaves something to carry on from, then at most every ``every_s`` seconds
    and for no more than 4 % of the time, and at the end. The best weights wait on the device until
    then. Both files are written at one moment, so that the best error noted in last.ckpt is the
    one of the weights in best.ckpt. Of several processes the first one writes; all look whether
    the numbers are good.

    Args:
        folder: where the files go.
        length: of the training.
        watch: looks at losses and weights before they are saved.
        every_s: least seconds between two savings; 0 saves after every epoch.
        keep_every_n_epochs: also keep the weights of every n-th epoch in a file of their own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        length: Length,
        watch: LossWatch,
        every_s: float = SAVE_EVERY_S,
        keep_every_n_epochs: int | None = None,
    ) -> None:
        self.folder = folder
        self.length = length
        self.watch = watch
        self.every_s = every_s
        self.keep_every_n_epochs = keep_every_n_epochs
        self.best_error = math.inf
        self.best_epoch: int | None = None
        self._waiting: dict[str, Tensor] | None = None
        self._next_save = 0.0

    @property
    def best_path(self) -> Path:
        """Return where the weights of the lowest validation pixel error are."""
        return self.folder / BEST

    @property
    def last_path(self) -> Path:
        """Return where the state to resume from is."""
        return self.folder / LAST

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._next_save = time.monotonic() + self.every_s

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take note of the weights if they are the best so far."""
        error = float(trainer.callback_metrics.get(PIXEL_ERROR, math.nan))
        if error < self.best_error and isinstance(pl_module, BaseSupervisedTracker):
            weights = copied_weights(pl_module)
            if all_finite(weights.values()):
                self.best_error, self.best_epoch = error, trainer.current_epoch
                self._waiting = weights

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if it is time; this runs after all other callbacks."""
        done = trainer.current_epoch + 1
        is_last = trainer.should_stop or done >= self.length.epochs
        is_kept = bool(self.keep_every_n_epochs) and done % (self.keep_every_n_epochs or 1) == 0
        is_due = not self.last_path.is_file() or time.monotonic() >= self._next_save
        if is_last or is_kept or as_first_process(is_due):
            self._save(trainer, pl_module, kept_as=f"epoch_{done:04d}.ckpt" if is_kept else None)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the names of the losses: a training goes on with the same ones."""
        if isinstance(pl_module, BaseSupervisedTracker):
            checkpoint[LOSS_NAMES] = loss_names(pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Return the best error and its epoch."""
        return {"best_error": self.best_error, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best error of the interrupted training."""
        self.best_error = state_dict["best_error"]
        self.best_epoch = state_dict["best_epoch"]

    def _save(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *, kept_as: str | None
    ) -> None:
        self.watch.check_before_saving(trainer, pl_module)
        if process_rank():
            return
        started = time.monotonic()
        if isinstance(pl_module, BaseSupervisedTracker):
            self._save_weights(pl_module, kept_as=kept_as)
        trainer.save_checkpoint(self.last_path, weights_only=False)
        ended = time.monotonic()
        pause = max(self.every_s, (ended - started) / LARGEST_SHARE) if self.every_s else 0.0
        self._next_save = ended + pause

    def _save_weights(self, tracker: BaseSupervisedTracker, *, kept_as: str | None) -> None:
        spec, losses = tracker.spec, loss_state(tracker)
        if self._waiting is not None:
            write_weights(self.best_path, self._waiting, spec, losses=losses)
            self._waiting = None
        elif self.best_epoch is None:
            write_weights(self.best_path, copied_weights(tracker), spec, losses=losses)
        if kept_as is not None:
            write_weights(self.folder / kept_as, copied_weights(tracker), spec, losses=losses)
