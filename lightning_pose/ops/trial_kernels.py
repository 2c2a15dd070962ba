"""A kernel that shows whether Triton works here."""

# Triton's language has no types.
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Int
from torch import Tensor

from lightning_pose.ops.devices import LAUNCH, on_its_gpu

_NUMBERS = 16


def works(device: torch.device) -> bool:
    """Tell whether the kernel counts right on a device.

    Raises:
        Exception: whatever Triton says where it cannot start one.
    """
    out = torch.full((_NUMBERS,), -1, dtype=torch.int32, device=device)
    _begin(out)
    return out.tolist() == list(range(_NUMBERS))


@on_its_gpu
def _begin(out: Int[Tensor, " n"]) -> None:
    _count[(1,)](out, NUMBERS=len(out), **LAUNCH)


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def _count(out, NUMBERS: tl.constexpr):
    number = tl.arange(0, NUMBERS)
    tl.store(out + number, number)
