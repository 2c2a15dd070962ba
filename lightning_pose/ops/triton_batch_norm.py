"""Batch norm, what is added to it and the activation after it, in two passes each way.

For maps that lie channels-last in the memory of an NVIDIA GPU, where PyTorch's own kernels reach a
third of its bandwidth, and every addition and activation is one more pass. Sums are split by shape
alone and added in a fixed order: the same input gives the same bits. Needs Triton, which comes
with PyTorch for CUDA.
"""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import Any

import torch
import triton
from jaxtyping import Float, Float32
from torch import Tensor

from lightning_pose.ops import batch_norm_kernels as kernels
from lightning_pose.ops.devices import LAUNCH

TILE = 4096  # numbers that one program holds at a time
CHANNELS_AT_ONCE = 64  # at most, of a tile
PROGRAMS = 512  # that share the sums of a map
FINISHED_AT_ONCE = 16  # channels whose sums one program adds up
NO_ACTIVATION, RELU, RELU6 = 0, 1, 2


class _Shape:
    """How the work on a map is divided."""

    def __init__(self, x: Tensor) -> None:
        self.channels = x.shape[1]
        self.rows = x.numel() // self.channels
        width = min(CHANNELS_AT_ONCE, triton.next_power_of_2(self.channels))
        height = TILE // width
        self.tile = {"ROWS": height, "CHANNELS": width, "num_warps": 8, **LAUNCH}
        self.blocks = triton.cdiv(self.channels, width)
        wanted = min(triton.cdiv(PROGRAMS, self.blocks), triton.cdiv(self.rows, height))
        self.rows_each = triton.cdiv(triton.cdiv(self.rows, wanted), height) * height
        self.parts = triton.cdiv(self.rows, self.rows_each)
        self.sums = x.new_empty((self.parts, 2, self.channels), dtype=torch.float32)

    @property
    def tiles(self) -> tuple[int]:
        return (self.blocks * triton.cdiv(self.rows, self.tile["ROWS"]),)

    @property
    def finish(self) -> tuple[tuple[int], dict[str, int]]:
        grid = (triton.cdiv(self.channels, FINISHED_AT_ONCE),)
        parts = triton.next_power_of_2(self.parts)
        return grid, {"PARTS": parts, "CHANNELS": FINISHED_AT_ONCE, **LAUNCH}


class BatchNormActivation(torch.autograd.Function):
    """Batch norm in training, with what is added and the activation that follow it.

    With mean and variance of x over all but the channels::

        y = activation((x - mean) / sqrt(var + eps) * weight + bias + added)

    Gradients flow to x, weight, bias and added.

    Source:
        Ioffe and Szegedy, Batch Normalization, ICML 2015.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "n c height width"],
        weight: Float32[Tensor, " c"],
        bias: Float32[Tensor, " c"],
        added: Float[Tensor, "n c height width"] | None,
        running_mean: Float32[Tensor, " c"],
        running_var: Float32[Tensor, " c"],
        momentum: float,
        eps: float,
        activation: int,
    ) -> Float[Tensor, "n c height width"]:
        """Return the maps, channels-last like ``x`` and ``added``; the running means are moved.

        ``activation`` is NO_ACTIVATION, RELU or RELU6.
        """
        shape = _Shape(x)
        rows, channels = shape.rows, shape.channels
        line = x.new_empty((4, channels), dtype=torch.float32)  # mean, 1 / std, scale, shift
        kernels.add_up_moments[(shape.blocks, shape.parts)](
            x, shape.sums, rows, channels, shape.rows_each, **shape.tile
        )
        grid, blocks = shape.finish
        kernels.finish_moments[grid](
            x, shape.sums, weight, bias, running_mean, running_var, line,
            rows, channels, shape.parts, momentum, eps, **blocks,
        )  # fmt: skip
        y = torch.empty_like(x)
        kernels.apply[shape.tiles](
            x, x if added is None else added, line, y, rows, channels,
            ADDS=added is not None, ACTIVATION=activation, **shape.tile,
        )  # fmt: skip
        ctx.save_for_backward(x, line, *(() if added is None else (y,)))
        ctx.activation = activation
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, weight, bias and what was added."""
        x, line, *rest = ctx.saved_tensors
        adds = bool(rest)
        dy = dy.contiguous(memory_format=torch.channels_last)
        shape = _Shape(x)
        rows, channels = shape.rows, shape.channels
        gradient = torch.empty_like(dy) if adds else dy
        kernels.add_up_gradients[(shape.blocks, shape.parts)](
            dy, x, rest[0] if adds else x, line, gradient, shape.sums, rows, channels,
            shape.rows_each, ADDS=adds, ACTIVATION=ctx.activation, **shape.tile,
        )  # fmt: skip
        dweight, dbias = line.new_empty(channels), line.new_empty(channels)
        slope = line.new_empty(2, channels)
        grid, blocks = shape.finish
        kernels.finish_gradients[grid](
            shape.sums, line, dweight, dbias, slope, rows, channels, shape.parts, **blocks
        )
        dx = torch.empty_like(x)
        kernels.gradient_of_x[shape.tiles](
            gradient, x, line, slope, dx, rows, channels,
            ACTIVATION=NO_ACTIVATION if adds else ctx.activation, **shape.tile,
        )  # fmt: skip
        return dx, dweight, dbias, gradient if adds else None, None, None, None, None, None
