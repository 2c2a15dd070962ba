"""What a tracker is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from lightning_pose.contracts.loss_inputs import LossSum
from lightning_pose.contracts.model_spec import ModelSpec

Optimizer = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class TrackerParts:
    """What a tracker is made of.

    Attributes:
        spec: the recipe.
        params: ``spec.params`` as an object of the tracker's parameter dataclass.
        backbone: network that turns images into feature maps.
        losses: the weighted losses of training; None for a tracker that only predicts.
        optimizer: makes what Lightning's ``configure_optimizers`` returns, given the tracker; None
            likewise.
        unsupervised_losses: those on unlabelled video; None for a tracker that learns from labels.
    """

    spec: ModelSpec
    params: Any
    backbone: nn.Module
    losses: LossSum | None = None
    optimizer: Optimizer | None = None
    unsupervised_losses: LossSum | None = None
