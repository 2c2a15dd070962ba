"""Where and in which arithmetic a network runs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.ops.arithmetic import cpu_multiplies_bf16

_DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class Compute:
    """A device and the arithmetic used on it.

    Attributes:
        device: where the network is.
        precision: fp32, bf16 or fp16.
    """

    device: torch.device
    precision: str

    @classmethod
    def choose(cls, *, device: str = "auto", precision: str = "auto") -> Compute:
        """Return the device and arithmetic asked for; ``auto`` takes the fastest there is.

        That is a GPU with bf16, else the CPU with bf16 where the processor multiplies it
        (avx512_bf16, AMX), else the CPU with fp32.

        Raises:
            ConfigError: there is no such device or arithmetic here.
        """
        kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        if kind.split(":")[0] not in ("cpu", "cuda"):
            raise ConfigError(f"The device should be auto, cpu or cuda, got {device!r}.")
        if kind.startswith("cuda") and not torch.cuda.is_available():
            raise ConfigError("There is no CUDA device here; use the device cpu or auto.")
        if precision not in ("auto", *_DTYPES):
            raise ConfigError(
                f"The precision should be auto, {', '.join(_DTYPES)}, got {precision!r}."
            )
        if precision == "fp16" and kind == "cpu":
            raise ConfigError("The precision fp16 needs a GPU; on the CPU use bf16 or fp32.")
        if precision == "auto":
            precision = "bf16" if kind != "cpu" or cpu_multiplies_bf16() else "fp32"
        return cls(device=torch.device(kind), precision=precision)

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which the network is to be called."""
        dtype = _DTYPES[self.precision]
        if dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=dtype)
