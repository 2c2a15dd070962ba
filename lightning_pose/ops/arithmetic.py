"""In which arithmetic this machine is fast or exact, and whether its sums come out the same."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils import deterministic

_CPU_INFO, _INTEL = Path("/proc/cpuinfo"), "GenuineIntel"


def full_precision(values: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Return the values in at least 32 bits, whatever autocast made of them.

    Example:
        >>> full_precision(torch.ones(1, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def bf16_is_fast_on_cpu() -> bool:
    """Tell whether the processor multiplies bf16 faster than 32 bits.

    With AMX it does. With the bf16 instructions of AVX-512 alone it does if AMD made it: those of
    an Intel Xeon took twice as long as products of 32 bits (virtual machines may hide AMX).
    """
    has_amx: bool = torch.cpu._is_amx_tile_supported()  # pyright: ignore[reportPrivateUsage]
    has_avx: bool = torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage]
    return has_amx or (has_avx and _INTEL not in _about_cpu())


def _about_cpu() -> str:
    """Return what Linux says of the processor; an empty text elsewhere."""
    return _CPU_INFO.read_text(errors="replace") if _CPU_INFO.exists() else ""


@contextmanager
def fixed_order_of_sums(*, wanted: bool = True) -> Generator[None]:
    """Let a GPU add up in one order inside the context, so that equal work gives equal bits.

    An operation that torch can only do in varying order does it still, with torch's warning.
    Memory that an operation leaves unwritten is not filled, which torch would do by default and
    which costs a tenth of the speed. On the CPU sums have a fixed order anyway.

    Args:
        wanted: False makes the context do nothing.
    """
    if not wanted:
        yield
        return
    memory: Any = deterministic  # a property of the module, unknown to type checkers
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        memory.fill_uninitialized_memory,
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = before[2]
