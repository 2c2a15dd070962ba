"""Where and in which arithmetic a network runs."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.ops.arithmetic import cpu_multiplies_bf16

N = TypeVar("N", bound=nn.Module)
_PRODUCTS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
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
    def choose(cls, *, device: torch.device | str = "auto", precision: str = "auto") -> Compute:
        """Return the device and arithmetic asked for; ``auto`` takes the fastest there is.

        That is a GPU with bf16, else the CPU with bf16 where the processor multiplies it
        (avx512_bf16, AMX), else the CPU with fp32.

        Raises:
            ConfigError: there is no such device or arithmetic here.
        """
        named = str(device)
        kind = ("cuda" if torch.cuda.is_available() else "cpu") if named == "auto" else named
        known = re.fullmatch(r"cpu|cuda(?::(\d+))?", kind)
        if known is None:
            raise ConfigError(f"The device should be auto, cpu, cuda or cuda:N, got {named!r}.")
        if kind != "cpu" and not torch.cuda.is_available():
            raise ConfigError("There is no CUDA device here; use the device cpu or auto.")
        if kind != "cpu" and int(known[1] or 0) >= torch.cuda.device_count():
            last = torch.cuda.device_count() - 1
            raise ConfigError(f"There is no {kind} here; the last device is cuda:{last}.")
        if precision not in ("auto", *_DTYPES):
            raise ConfigError(
                f"The precision should be auto, {', '.join(_DTYPES)}, got {precision!r}."
            )
        if precision == "fp16" and kind == "cpu":
            raise ConfigError("The precision fp16 needs a GPU; on the CPU use bf16 or fp32.")
        if precision == "auto":
            precision = "bf16" if kind != "cpu" or cpu_multiplies_bf16() else "fp32"
        return cls(device=torch.device(kind), precision=precision)

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of the numbers that are multiplied."""
        return _DTYPES[self.precision] or torch.float32

    def with_weights(self, network: N) -> N:
        """Return the network with the weights of its products in this arithmetic, once for all.

        Autocast would turn them from 32 bits in every batch.
        """
        dtype = _DTYPES[self.precision]
        if dtype is not None and self.device.type == "cuda":
            for module in network.modules():
                if isinstance(module, _PRODUCTS):
                    module.to(dtype)
        return network

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which the network is to be called."""
        dtype = _DTYPES[self.precision]
        if dtype is None:
            return contextlib.nullcontext()
        # Without its cache, which recorded kernels would read from after it has been given back.
        cached = self.device.type != "cuda"
        return torch.autocast(self.device.type, dtype=dtype, cache_enabled=cached)
