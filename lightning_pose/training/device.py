"""Where a training runs and in which arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lightning_pose.config.schema import TrainingConfig
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.ops.arithmetic import cpu_multiplies_bf16

_LIGHTNING_NAMES = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True, kw_only=True)
class TrainingDevice:
    """A device and the arithmetic used on it.

    Attributes:
        device: where the network is; batches should be there too.
        precision: fp32, bf16 or fp16; the last two are mixed with fp32, weights stay fp32.
    """

    device: torch.device
    precision: str

    @property
    def lightning_precision(self) -> str:
        """Return the name Lightning has for the arithmetic."""
        return _LIGHTNING_NAMES[self.precision]

    @property
    def on_gpu(self) -> bool:
        """Tell whether this is a GPU."""
        return self.device.type == "cuda"


def choose_device(settings: TrainingConfig) -> TrainingDevice:
    """Return the device and arithmetic the settings ask for; ``auto`` takes the fastest there is.

    Raises:
        ConfigError: they ask for what this machine or this version has not.
    """
    if settings.num_gpus > 1 or settings.num_nodes > 1:
        raise ConfigError(
            f"training.num_gpus is {settings.num_gpus} and training.num_nodes "
            f"{settings.num_nodes}; this version trains on one device. Set both to 1."
        )
    has_gpu = torch.cuda.is_available()
    if settings.accelerator == "gpu" and not (has_gpu and settings.num_gpus):
        raise ConfigError(
            "training.accelerator is gpu, but "
            + ("training.num_gpus is 0." if has_gpu else "there is no CUDA device here.")
            + " Use auto or cpu."
        )
    on_gpu = settings.accelerator != "cpu" and has_gpu and settings.num_gpus > 0
    if settings.precision == "fp16" and not on_gpu:
        raise ConfigError("training.precision fp16 needs a GPU; on the CPU use auto or fp32.")
    return TrainingDevice(
        device=torch.device("cuda", torch.cuda.current_device())
        if on_gpu
        else torch.device("cpu"),
        precision=_precision(settings.precision, on_gpu=on_gpu),
    )


def _precision(asked: str, *, on_gpu: bool) -> str:
    if asked != "auto":
        return asked
    return "bf16" if on_gpu or cpu_multiplies_bf16() else "fp32"
