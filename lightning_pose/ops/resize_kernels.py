"""Resizing and normalising decoded frames in one pass over them, in Triton.

The same filter, rounding and normalisation as :func:`lightning_pose.ops.resize.resize_frames` and
what follows it; the frames are read once, and only the network's input is written.
"""

# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportArgumentType=false

from __future__ import annotations

import functools
from typing import no_type_check

import numpy as np
import torch
import triton
import triton.language as tl
from jaxtyping import Float, UInt8
from torch import Tensor

from lightning_pose.ops.devices import LAUNCH, on_its_gpu

_BLOCK = 128


@on_its_gpu
def resize_and_normalise(
    frames: UInt8[Tensor, "n H W 3"],
    height: int,
    width: int,
    *,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    dtype: torch.dtype,
) -> Float[Tensor, "n 3 {height} {width}"]:
    """Return (resized / 255 - mean) / std, channels-last in memory, on the GPU of the frames.

    Args:
        frames: RGB, 0..255, without gaps in memory.
        height: of the result, in pixels.
        width: of the result, in pixels.
        mean: of red, green and blue, of 0..1.
        std: likewise.
        dtype: of the result.
    """
    n, old_height, old_width, _ = frames.shape
    out = torch.empty((n, height, width, 3), dtype=dtype, device=frames.device)
    rows, row_weights = _taps(old_height, height, frames.device)
    columns, column_weights = _taps(old_width, width, frames.device)
    if n:
        _resize[(triton.cdiv(height * width, _BLOCK), n)](
            frames.contiguous(), out, rows, row_weights, columns, column_weights,
            old_height, old_width, height, width, row_weights.shape[1],
            *mean, *(1 / value for value in std),
            COLUMN_TAPS=column_weights.shape[1], BLOCK=_BLOCK, **LAUNCH,
        )  # fmt: skip
    return out.permute(0, 3, 1, 2)


@functools.cache  # never let go: recorded kernels may read from it
def _taps(old: int, new: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return for each new pixel the first old one that it is made of, and the weights from it on.

    The triangle filter, widened by the scale when shrinking, as torch's antialiased bilinear
    interpolation has it.
    """
    scale = old / new
    widened = max(scale, 1.0)
    centres = scale * (np.arange(new) + 0.5)
    first = np.maximum((centres - widened + 0.5).astype(np.int64), 0)
    end = np.minimum((centres + widened + 0.5).astype(np.int64), old)
    places = first[:, None] + np.arange(int((end - first).max()))
    weights = np.maximum(0, 1 - np.abs((places - centres[:, None] + 0.5) / widened))
    weights[places >= end[:, None]] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    return (
        torch.from_numpy(first.astype(np.int32)).to(device),
        torch.from_numpy(weights.astype(np.float32)).contiguous().to(device),
    )


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def _resize(
    frames, out, rows, row_weights, columns, column_weights,
    old_height, old_width, height, width, row_taps,
    mean_r, mean_g, mean_b, over_std_r, over_std_g, over_std_b,
    COLUMN_TAPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    picture = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < height * width
    row = pixel // width
    column = pixel % width
    first_row = tl.load(rows + row, mask=inside, other=0)
    first_column = tl.load(columns + column, mask=inside, other=0)
    start = frames + picture * old_height * old_width * 3
    red = tl.zeros((BLOCK,), tl.float32)
    green = tl.zeros((BLOCK,), tl.float32)
    blue = tl.zeros((BLOCK,), tl.float32)
    for i in range(row_taps):
        row_weight = tl.load(row_weights + row * row_taps + i, mask=inside, other=0.0)
        line = start + tl.minimum(first_row + i, old_height - 1) * old_width * 3
        for j in tl.static_range(COLUMN_TAPS):
            weight = row_weight * tl.load(
                column_weights + column * COLUMN_TAPS + j, mask=inside, other=0.0
            )
            place = line + tl.minimum(first_column + j, old_width - 1) * 3
            red += weight * tl.load(place, mask=inside, other=0).to(tl.float32)
            green += weight * tl.load(place + 1, mask=inside, other=0).to(tl.float32)
            blue += weight * tl.load(place + 2, mask=inside, other=0).to(tl.float32)
    # Adding and taking away 1.5 * 2^23 rounds to the nearest whole number, halves to even.
    red = ((red + 12582912.0) - 12582912.0) / 255.0
    green = ((green + 12582912.0) - 12582912.0) / 255.0
    blue = ((blue + 12582912.0) - 12582912.0) / 255.0
    target = out + (picture * height * width + pixel) * 3
    kind = out.dtype.element_ty
    tl.store(target, ((red - mean_r) * over_std_r).to(kind), mask=inside)
    tl.store(target + 1, ((green - mean_g) * over_std_g).to(kind), mask=inside)
    tl.store(target + 2, ((blue - mean_b) * over_std_b).to(kind), mask=inside)
