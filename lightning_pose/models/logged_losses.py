"""Adding losses up and logging them: in training now and then, else as means over the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.loss_inputs import LossTerm
from lightning_pose.models.running_means import RunningMeans
from lightning_pose.ops.processes import mean_over_processes


class LoggedLosses(pl.LightningModule):
    """The part of a tracker that tells the loggers how it does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._means = RunningMeans()

    def total(
        self, terms: list[LossTerm], *, stage: str, kind: str, count: int
    ) -> Float[Tensor, ""]:
        """Return the sum of the weighted losses, and log it and them.

        Args:
            terms: the losses of one kind.
            stage: train logs them now; val and test log means over the epoch.
            kind: supervised or unsupervised.
            count: what the batch weighs in a mean.
        """
        total = torch.stack([term.weighted for term in terms]).sum()
        values = named_values(terms, stage=stage) | {f"{stage}_{kind}_loss": total}
        if stage == "train":
            self.log_now(values)
        else:
            for name, value in values.items():
                self._means.add(name, value * count, count)
        return total

    def log_now(self, values: Mapping[str, Tensor | float]) -> None:
        """Log training values, but only in the steps the trainer writes them: logging is slow."""
        if self._trainer is None:
            return
        trainer = self.trainer
        every = trainer.log_every_n_steps or 1  # pyright: ignore
        if (trainer.global_step + 1) % every == 0:
            means = {
                name: mean_over_processes(value) if isinstance(value, Tensor) else value
                for name, value in values.items()
            }
            self.log_dict(means, on_step=True, on_epoch=False)

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's means; ``val_pixel_error`` is in pixels of the original images."""
        self.log_dict(self._means.take())

    def on_test_epoch_end(self) -> None:
        """Log the means over the test set."""
        self.log_dict(self._means.take())


def named_values(terms: list[LossTerm], *, stage: str) -> dict[str, Tensor]:
    """Return raw and weighted value of each term under the names they are logged by."""
    raw = {f"{stage}_{term.name}_loss": term.raw for term in terms}
    weighted = {f"{stage}_{term.name}_loss_weighted": term.weighted for term in terms}
    return raw | weighted
