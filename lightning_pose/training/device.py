"""Where a training runs and in which arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lightning_pose.config.schema import TrainingConfig
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.ops.arithmetic import bf16_is_fast_on_cpu
from lightning_pose.training.world import World

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
    check_number_of_gpus(settings)
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


def use_gpu_of(world: World, settings: TrainingConfig) -> None:
    """Let this process work on its own GPU, if the settings ask for more than one."""
    if world.size > 1 and choose_device(settings).on_gpu:
        torch.cuda.set_device(world.local_rank)


def check_number_of_gpus(settings: TrainingConfig) -> None:
    """Raise ConfigError if more than one GPU is asked for and this machine has not as many."""
    if settings.num_gpus <= 1 or settings.accelerator == "cpu":
        return
    here = torch.cuda.device_count()
    if settings.num_gpus > here:
        raise ConfigError(
            f"training.num_gpus is {settings.num_gpus}, but this machine has "
            f"{here or 'no'} GPU{'' if here == 1 else 's'}. Lower it, or set "
            "training.accelerator=cpu to train in as many processes on the CPU."
        )


def _precision(asked: str, *, on_gpu: bool) -> str:
    if asked != "auto":
        return asked
    return "bf16" if on_gpu or bf16_is_fast_on_cpu() else "fp32"
