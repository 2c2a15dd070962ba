"""Which GPU kernels are started on, and how."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

# For every kernel in Triton: a product and the sum it goes into are one step, as in torch's own
# kernels. This is what Triton does unasked until 3.10, with a warning since 3.9.
LAUNCH = {"enable_fp_fusion": True}


def on_its_gpu(
    function: Callable[Concatenate[Tensor, P], R],
) -> Callable[Concatenate[Tensor, P], R]:
    """Return the function with the GPU of its first tensor as the current one inside.

    Triton starts kernels on the current GPU, wherever their tensors are.
    """

    @functools.wraps(function)
    def there(tensor: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with torch.cuda.device_of(tensor):
            return function(tensor, *args, **kwargs)

    return there
