"""From the settings to what Lightning's ``configure_optimizers`` returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim.lr_scheduler import LambdaLR

from lightning_pose.config.schema import TrainingConfig
from lightning_pose.contracts.registry import OPTIMIZERS, SCHEDULERS
from lightning_pose.models.feature_extractor import BaseFeatureExtractor
from lightning_pose.training.length import Length, length_in

FIRST_BACKBONE_SHARE = 0.1
BACKBONE_RISE = 1.5


def optimizer_for(settings: TrainingConfig) -> Callable[[BaseFeatureExtractor], dict[str, Any]]:
    """Return the ``optimizer`` argument of ``build_tracker``: makes optimiser and scheduler.

    Both learning rates are functions of the epoch alone. The head's is the configured rate times
    the scheduler's factor; the backbone's is the head's times :func:`backbone_share`.

    Raises:
        ConfigError: there is no optimiser or scheduler of that name.
    """
    make_optimizer = OPTIMIZERS.entry(settings.optimizer)
    make_factor = SCHEDULERS.entry(settings.lr_scheduler)
    optimizer_params = _params(make_optimizer.params, settings.optimizer_params)
    scheduler_params = _params(make_factor.params, settings.lr_scheduler_params)

    def configure(tracker: BaseFeatureExtractor) -> dict[str, Any]:
        length = length_in(tracker.trainer, settings)
        # Lightning refuses to clip the gradients of a fused optimiser.
        fused = settings.gradient_clip_val is None
        optimizer = make_optimizer.value(tracker.parameter_groups(), optimizer_params, fused=fused)
        factor = make_factor.value(scheduler_params, length)
        by_group = {
            "head": factor,
            "backbone": lambda epoch: factor(epoch) * backbone_share(epoch, length),
        }
        factors = [by_group[group["name"]] for group in optimizer.param_groups]
        schedule = {"scheduler": LambdaLR(optimizer, factors), "interval": "epoch"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    return configure


def backbone_share(epoch: int, length: Length) -> float:
    """Return the backbone's share of the head's learning rate: 0 while it is frozen.

    It starts at a tenth and rises 1.5-fold an epoch until it is 1.
    """
    if epoch < length.unfreezing_epoch:
        return 0.0
    return min(
        1.0, FIRST_BACKBONE_SHARE * BACKBONE_RISE ** min(epoch - length.unfreezing_epoch, 99)
    )


def _params(kind: type | None, values: dict[str, Any]) -> Any:
    return kind(**values) if kind is not None else None
