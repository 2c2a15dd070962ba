"""Adam and AdamW."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from lightning_pose.contracts.registry import OPTIMIZERS
from lightning_pose.contracts.settings import setting


@dataclass(frozen=True, kw_only=True)
class AdamParams:
    """Settings of Adam."""

    learning_rate: float = setting(1e-3, "Learning rate of the head.", above=0)
    weight_decay: float = setting(0.0, "L2 penalty on the weights.", minimum=0)


@dataclass(frozen=True, kw_only=True)
class AdamWParams:
    """Settings of AdamW."""

    learning_rate: float = setting(1e-3, "Learning rate of the head.", above=0)
    weight_decay: float = setting(0.01, "Decay of the weights, apart from the loss.", minimum=0)


@OPTIMIZERS.register("Adam", params=AdamParams)
def adam(
    groups: list[dict[str, Any]], params: AdamParams, *, fused: bool
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba, 2015), the default."""
    return torch.optim.Adam(
        groups, lr=params.learning_rate, weight_decay=params.weight_decay, fused=fused
    )


@OPTIMIZERS.register("AdamW", params=AdamWParams)
def adamw(
    groups: list[dict[str, Any]], params: AdamWParams, *, fused: bool
) -> torch.optim.Optimizer:
    """AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""
    return torch.optim.AdamW(
        groups, lr=params.learning_rate, weight_decay=params.weight_decay, fused=fused
    )
