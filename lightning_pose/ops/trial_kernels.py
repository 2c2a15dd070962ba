"""A kernel that shows whether Triton works here."""

# Triton's language has no types.
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

from typing import no_type_check

import torch
import triton
import triton.language as tl

_NUMBERS = 16


def works(device: str = "cuda") -> bool:
    """Tell whether the kernel counts right.

    Raises:
        Exception: whatever Triton says where it cannot start one.
    """
    out = torch.full((_NUMBERS,), -1, dtype=torch.int32, device=device)
    _count[(1,)](out, NUMBERS=_NUMBERS)
    return out.tolist() == list(range(_NUMBERS))


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def _count(out, NUMBERS: tl.constexpr):
    number = tl.arange(0, NUMBERS)
    tl.store(out + number, number)
