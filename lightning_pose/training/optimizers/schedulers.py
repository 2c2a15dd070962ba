"""Learning-rate schedulers: the factor on the learning rate as a function of the epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from lightning_pose.contracts.registry import SCHEDULERS
from lightning_pose.contracts.settings import Follows, setting
from lightning_pose.training.length import Length

Factor = Callable[[int], float]
_MILESTONES = Follows((150, 200, 250), "share")


@dataclass(frozen=True, kw_only=True)
class MultiStepParams:
    """Settings of the stepwise scheduler."""

    milestones: list[int] | None = setting(
        None,
        "Epochs at which the learning rate falls.",
        minimum=1,
        follows=_MILESTONES,
    )
    milestone_steps: list[int] | None = setting(
        None,
        "The same in steps, instead of milestones; a fall comes with the next epoch.",
        minimum=1,
        follows=replace(_MILESTONES, unit="steps"),
        default_text="half, two thirds and five sixths of max_steps, with max_steps",
    )
    gamma: float = setting(0.5, "Factor of each fall.", above=0, maximum=1)


@dataclass(frozen=True, kw_only=True)
class CosineParams:
    """Settings of the cosine scheduler."""

    final_factor: float = setting(
        0.0, "Share of the learning rate that is left at the end.", minimum=0, maximum=1
    )


@SCHEDULERS.register("multisteplr", params=MultiStepParams)
def multistep(params: MultiStepParams, length: Length) -> Factor:
    """Learning rate that falls by ``gamma`` at each milestone, the default."""
    milestones = params.milestones
    if milestones is None and params.milestone_steps is not None:
        milestones = [length.epoch_of(step) for step in params.milestone_steps]
    if milestones is None:
        usual = _MILESTONES.at(length.epochs)
        milestones = usual if isinstance(usual, list) else [usual]
    fixed = tuple(milestones)
    return lambda epoch: params.gamma ** sum(epoch >= milestone for milestone in fixed)


@SCHEDULERS.register("cosine", params=CosineParams)
def cosine(params: CosineParams, length: Length) -> Factor:
    """Learning rate that falls along half a cosine to ``final_factor`` of itself."""

    def factor(epoch: int) -> float:
        done = min(epoch / max(length.epochs, 1), 1.0)
        return params.final_factor + (1 - params.final_factor) * (1 + math.cos(math.pi * done)) / 2

    return factor
