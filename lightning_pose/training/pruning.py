"""Ending a training that has no prospect, when somebody else says so."""

from __future__ import annotations

from collections.abc import Callable

import lightning.pytorch as pl

from lightning_pose.training.stages import PIXEL_ERROR

Judge = Callable[[int, float], bool]


class Pruning(pl.Callback):
    """Tells every validation pixel error to a judge and ends the training when it says so.

    The epoch is finished and both checkpoints are saved, as at any other end.

    Args:
        judge: takes the epochs done and the validation pixel error; True = end the training.
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.has_pruned = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Ask the judge; not about a validation without labels, or after the last epoch."""
        error = trainer.callback_metrics.get(PIXEL_ERROR)
        if error is None:
            return
        done = trainer.current_epoch + 1
        if self.judge(done, float(error)) and done < (trainer.max_epochs or done + 1):
            self.has_pruned = True
            trainer.should_stop = True
