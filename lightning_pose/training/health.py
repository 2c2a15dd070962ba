"""Stopping a training whose numbers have broken, before they are saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from lightning_pose.contracts.errors import TrainingError
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.ops.processes import any_process, gathered

NameRows = Callable[[Sequence[int]], Sequence[str]]
MOST_STEPS_UNWATCHED = 100


class LossWatch(pl.Callback):
    """Raises TrainingError when a loss is not a finite number, naming the batch's images.

    Looking at a loss makes the host wait for the device, so it is done every so many steps, and
    before anything is saved.

    Args:
        name_rows: the images of rows of the label table.
        every_n_steps: steps from one look to the next.
    """

    def __init__(self, name_rows: NameRows | None, *, every_n_steps: int) -> None:
        self.name_rows = name_rows
        self.every_n_steps = min(every_n_steps, MOST_STEPS_UNWATCHED)
        self._last_rows: Tensor | None = None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Look at the losses since the last time, in the steps that log and so wait anyway."""
        if trainer.global_step % self.every_n_steps == 0:
            self.check_losses(trainer, pl_module)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look before weights are validated, which may make them the best."""
        self.check_losses(trainer, pl_module)

    def check_losses(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Raise TrainingError, in every process, if a loss since the last call was not finite."""
        if not isinstance(pl_module, BaseSupervisedTracker):
            return
        if pl_module.last_row_ids is not None:
            self._last_rows = pl_module.last_row_ids
        found = pl_module.take_broken_step()
        if not any_process(found is not None):
            return
        broken = next(step for step in gathered(found) if step is not None)
        beside = " and the unlabelled video beside them" if broken.with_video else ""
        raise TrainingError(
            f"The loss became {broken.loss:g} in epoch {trainer.current_epoch} on the images "
            f"{self._named(broken.row_ids)}{beside}. Look at their labels, lower "
            "training.optimizer_params.learning_rate, or set training.precision=fp32."
        )

    def check_before_saving(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Raise TrainingError if a loss or a weight is NaN or infinite.

        The last step may break the weights though its loss was fine.
        """
        self.check_losses(trainer, pl_module)
        if not any_process(not all_finite(pl_module.state_dict().values())):
            return
        images = ""
        if self._last_rows is not None:
            images = f", last trained on the images {self._named(self._last_rows.tolist())}"
        raise TrainingError(
            f"The weights became NaN or infinite in epoch {trainer.current_epoch}{images}, though "
            "no loss did. Lower training.optimizer_params.learning_rate or set "
            "training.gradient_clip_val."
        )

    def _named(self, row_ids: Sequence[int]) -> str:
        if self.name_rows is None:
            return f"of rows {', '.join(map(str, row_ids))} of the label file"
        return ", ".join(self.name_rows(row_ids))


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Tell whether all numbers are finite; waits once for the device.

    Example:
        >>> all_finite([torch.ones(2), torch.tensor([1.0, float("inf")])])
        False
    """
    floating = [t.detach() for t in tensors if t.is_floating_point() and t.numel()]
    if not floating:
        return True
    total = torch.nn.utils.get_total_norm(floating, norm_type=1.0)  # one launch for all on a GPU
    return bool(total.isfinite())
