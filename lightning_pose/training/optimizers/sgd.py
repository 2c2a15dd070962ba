"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from lightning_pose.contracts.registry import OPTIMIZERS
from lightning_pose.contracts.settings import setting


@dataclass(frozen=True, kw_only=True)
class SGDParams:
    """Settings of stochastic gradient descent."""

    learning_rate: float = setting(1e-2, "Learning rate of the head.", above=0)
    momentum: float = setting(0.9, "Share of the last step that is kept.", minimum=0, maximum=1)
    weight_decay: float = setting(0.0, "L2 penalty on the weights.", minimum=0)


@OPTIMIZERS.register("SGD", params=SGDParams)
def sgd(groups: list[dict[str, Any]], params: SGDParams, *, fused: bool) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum."""
    return torch.optim.SGD(
        groups,
        lr=params.learning_rate,
        momentum=params.momentum,
        weight_decay=params.weight_decay,
        fused=fused,
    )
