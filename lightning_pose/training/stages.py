"""What changes from epoch to epoch: randomness, freezing, when to validate, when to stop.

Every callback here decides by epoch and step numbers alone, so that a resumed training does what
the uninterrupted one would have done.
"""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from lightning_pose.models.feature_extractor import BaseFeatureExtractor
from lightning_pose.ops.processes import process_rank
from lightning_pose.training.length import Length

PIXEL_ERROR = "val_pixel_error"


class StepSeeds(pl.Callback):
    """Seeds torch before every training batch from (seed, epoch, batch) and the process.

    Dropout and the like then draw the same numbers in an interrupted and in a whole training.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the generators of the host and of the device; nothing waits for the device.

        ``torch.manual_seed`` would do it too, but where CUDA is not in use it takes a millisecond
        to note each call for later.
        """
        which = (process_rank(),) if process_rank() else ()  # each of several draws its own
        parts = np.random.SeedSequence((self.seed, trainer.current_epoch, batch_idx, *which))
        seed = int(parts.generate_state(1, np.uint32)[0])
        torch.default_generator.manual_seed(seed)
        if pl_module.device.type == "cuda":
            torch.cuda.manual_seed(seed)


class BackboneFreezing(pl.Callback):
    """Keeps the backbone frozen before ``length.unfreezing_epoch``."""

    def __init__(self, length: Length) -> None:
        self.length = length

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Freeze or unfreeze the backbone, as the epoch demands."""
        if not isinstance(pl_module, BaseFeatureExtractor):
            return
        frozen = trainer.current_epoch < self.length.unfreezing_epoch
        if frozen and not pl_module.backbone_is_frozen:
            pl_module.freeze_backbone()
        elif not frozen and pl_module.backbone_is_frozen:
            pl_module.unfreeze_backbone()


class Ending(pl.Callback):
    """Validates in the last epoch, whatever its number, and stops at ``length.max_steps``."""

    def __init__(self, length: Length) -> None:
        self.length = length

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the last epoch end with a validation."""
        if trainer.current_epoch == self.length.epochs - 1:
            trainer.check_val_every_n_epoch = 1

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Stop when the weights have moved often enough."""
        if trainer.global_step >= self.length.max_steps:
            trainer.should_stop = True


class Patience(pl.Callback):
    """Stops when the validation pixel error has not fallen for ``patience`` validations.

    It does so no earlier than ``length.min_epochs``; until then a new best error starts the count
    again.
    """

    def __init__(self, patience: int, length: Length) -> None:
        self.patience = patience
        self.length = length
        self.best = math.inf
        self.waited = 0
        self.has_stopped = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stay stopped when a stopped training is resumed."""
        if self.has_stopped:
            trainer.should_stop = True

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count validations without a new best error; one of video alone has none."""
        if PIXEL_ERROR not in trainer.callback_metrics:
            return
        error = float(trainer.callback_metrics.get(PIXEL_ERROR, math.nan))
        if error < self.best:
            self.best, self.waited = error, 0
        else:
            self.waited += 1
        done = trainer.current_epoch + 1
        if self.waited >= self.patience and self.length.min_epochs <= done < self.length.epochs:
            self.has_stopped = True
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs to count on."""
        return {"best": self.best, "waited": self.waited, "has_stopped": self.has_stopped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the count of the interrupted training."""
        self.best = state_dict["best"]
        self.waited = state_dict["waited"]
        self.has_stopped = state_dict["has_stopped"]
