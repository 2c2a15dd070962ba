"""Where and in which arithmetic a network runs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.ops.arithmetic import bf16_is_fast_on_cpu

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

        That is a GPU with bf16, else the CPU with bf16 where the processor is fast at it
        (:func:`~lightning_pose.ops.arithmetic.bf16_is_fast_on_cpu`), else the CPU with fp32.

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
            precision = "bf16" if kind != "cpu" or bf16_is_fast_on_cpu() else "fp32"
        return cls(device=torch.device(kind), precision=precision)

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of the numbers that are multiplied."""
        return _DTYPES[self.precision] or torch.float32

    def with_weights(self, network: N) -> N:
        """Return the network with the weights of its products in this arithmetic, once for all.

        Autocast would turn them from 32 bits in every batch. Parts that say ``in_32_bits`` stay
        in 32 bits.
        """
        dtype = _DTYPES[self.precision]
        if dtype is not None and self.device.type == "cuda":
            _cast(network, dtype)
        return network

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Return the context in which the network is to be called: its device, its arithmetic."""
        dtype, on_gpu = _DTYPES[self.precision], self.device.type == "cuda"
        with contextlib.ExitStack() as stack:
            if on_gpu:
                stack.enter_context(torch.cuda.device(self.device))
            if dtype is not None:
                # Without its cache, which recorded kernels would read from when it is gone.
                stack.enter_context(
                    torch.autocast(self.device.type, dtype=dtype, cache_enabled=not on_gpu)
                )
            yield


def _cast(module: nn.Module, dtype: torch.dtype) -> None:
    if getattr(module, "in_32_bits", False):
        return
    if isinstance(module, _PRODUCTS):
        module.to(dtype)
    for child in module.children():
        _cast(child, dtype)
