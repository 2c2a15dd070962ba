"""How long a training is, with everything the settings give in steps turned into epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lightning_pose.config.schema import TrainingConfig
from lightning_pose.contracts.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Length:
    """Length of a training.

    Attributes:
        epochs: passes over the training frames; the last may be cut short by ``max_steps``.
        steps_per_epoch: moves of the weights in a whole epoch.
        max_steps: moves of the weights after which training ends.
        min_epochs: epochs before early stopping may act.
        unfreezing_epoch: first epoch, from 0, in which the backbone learns.
    """

    epochs: int
    steps_per_epoch: int
    max_steps: int
    min_epochs: int
    unfreezing_epoch: int

    def epoch_of(self, step: int) -> int:
        """Return the first epoch that begins at ``step`` or after it."""
        return math.ceil(step / self.steps_per_epoch)


def length_of(settings: TrainingConfig, *, num_batches: int) -> Length:
    """Return the length of a training that uses ``num_batches`` batches an epoch."""
    per_epoch = math.ceil(num_batches / settings.accumulate_grad_batches)
    epochs = settings.max_epochs
    if epochs is None:
        epochs = math.ceil((settings.max_steps or 0) / per_epoch)
    return Length(
        epochs=epochs,
        steps_per_epoch=per_epoch,
        max_steps=settings.max_steps or epochs * per_epoch,
        min_epochs=_in_epochs(settings.min_epochs, settings.min_steps, per_epoch),
        unfreezing_epoch=_in_epochs(
            settings.unfreezing_epoch, settings.unfreezing_step, per_epoch
        ),
    )


def batches_used(num_batches: int, settings: TrainingConfig) -> int:
    """Return how many of the loader's batches an epoch uses.

    Raises:
        DataError: there is none to use.
    """
    limit = settings.limit_train_batches
    used = num_batches
    if limit is not None:
        used = int(num_batches * limit) if isinstance(limit, float) else min(num_batches, limit)
    if used < 1:
        raise DataError(
            f"There is nothing to train on: the training frames make {num_batches} batches, and "
            f"training.limit_train_batches is {limit}. Raise training.train_prob or the limit, or "
            "label more frames."
        )
    return used


def length_in(trainer: Any, settings: TrainingConfig) -> Length:
    """Return the length of the training that a Lightning trainer is about to run."""
    trainer.fit_loop.setup_data()  # before this the trainer does not know its loader
    return length_of(settings, num_batches=trainer.num_training_batches)


def _in_epochs(epochs: int | None, steps: int | None, per_epoch: int) -> int:
    if epochs is not None:
        return epochs
    return math.ceil((steps or 0) / per_epoch)
