"""Several processes with one network each, kept equal: they share each batch and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.trainer import Trainer
from torch import Tensor
from torch.optim import Optimizer

from lightning_pose.ops.processes import average_in_place, take_from_first
from lightning_pose.training.world import leave_at_once


class DataParallel(SingleDeviceStrategy):
    """Trains on one device, and takes the mean of the processes' gradients before each step.

    To Lightning each process is alone. Its own strategy for several would make the host wait for
    the device in every step, and would send the gradients of a frozen backbone as well.
    """

    def setup(self, trainer: Trainer) -> None:
        """Begin with the weights of process 0."""
        super().setup(trainer)
        state = [
            t for t in trainer.lightning_module.state_dict().values() if t.is_floating_point()
        ]
        for dtype in dict.fromkeys(tensor.dtype for tensor in state):
            take_from_first([tensor for tensor in state if tensor.dtype == dtype])

    def optimizer_step(
        self,
        optimizer: Optimizer,
        closure: Callable[[], Any],
        model: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Move the weights by the mean gradient; it is taken before clipping and unscaling."""

        def shared() -> Tensor | None:
            loss = closure()
            groups = optimizer.param_groups
            parameters = [parameter for group in groups for parameter in group["params"]]
            average_in_place([p.grad for p in parameters if p.grad is not None])
            return loss

        return super().optimizer_step(optimizer, shared, model, **kwargs)

    def on_exception(self, exception: BaseException) -> None:
        """Let go of the others before the device is waited for: they may answer no more."""
        leave_at_once()
        super().on_exception(exception)
