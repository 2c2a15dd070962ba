"""Moving feature maps about in one pass, in Triton: for predictions, where nothing looks back.

All maps lie channels-last in memory.
"""

# Triton's language has no types.
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportArgumentType=false

from __future__ import annotations

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from lightning_pose.ops.devices import LAUNCH, on_its_gpu

STEM_CHANNELS = 16  # of four pixels of three colours, filled up to what tensor cores like
_BLOCK = 1024
_MOST_CHANNELS = 2048  # that one program copies


@on_its_gpu
def quarter_pixels(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 16 h//2 w//2"]:
    """Return each square of four pixels as one of twelve channels and four of zeros.

    Channel (2 i + j) 3 + c is colour c of the pixel in row i, column j of the square.
    """
    n, _, height, width = images.shape
    out = _maps(n, STEM_CHANNELS, height // 2, width // 2, like=images)
    numbers = out[0].numel()
    _quarter[(triton.cdiv(numbers, _BLOCK), n)](
        images, out, height, width, numbers, BLOCK=_BLOCK, CHANNELS=STEM_CHANNELS, **LAUNCH
    )
    return out


@on_its_gpu
def bias_relu_max_pool(
    maps: Float[Tensor, "n c _ _"], bias: Float[Tensor, " c"], height: int, width: int
) -> Float[Tensor, "n c {height//2} {width//2}"]:
    """Return max_pool2d(relu(maps + bias), 3, stride=2, padding=1).

    Args:
        maps: of which the first ``height`` rows and ``width`` columns count.
        bias: of each channel.
        height: even.
        width: even.
    """
    n, channels, all_rows, all_columns = maps.shape
    out = _maps(n, channels, height // 2, width // 2, like=maps)
    numbers = out[0].numel()
    _pool[(triton.cdiv(numbers, _BLOCK), n)](
        maps, bias, out, all_rows, all_columns, height, width, numbers,
        BLOCK=_BLOCK, CHANNELS=channels, **LAUNCH,
    )  # fmt: skip
    return out


@on_its_gpu
def side_by_side(
    fine: Float[Tensor, "n c h w"], coarse: Float[Tensor, "n d _ _"]
) -> Float[Tensor, "n c+d h w"]:
    """Return the finer maps, and after them the coarser ones interpolated bilinearly to them."""
    n, channels, height, width = fine.shape
    coarse_channels, rows, columns = coarse.shape[1:]
    out = _maps(n, channels + coarse_channels, height, width, like=fine)
    block = min(_MOST_CHANNELS, triton.next_power_of_2(max(channels, coarse_channels)))
    blocks = triton.cdiv(channels, block) + triton.cdiv(coarse_channels, block)
    _join[(n * height * width, blocks)](
        fine, coarse, out, height, width, rows, columns, rows / height, columns / width,
        BLOCK=block, FINE=channels, COARSE=coarse_channels, **LAUNCH,
    )  # fmt: skip
    return out


@on_its_gpu
def shuffle_pixels(maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c//4 2*h 2*w"]:
    """Return pixel_shuffle(maps, 2)."""
    n, channels, height, width = maps.shape
    out = _maps(n, channels // 4, 2 * height, 2 * width, like=maps)
    block = min(256, triton.next_power_of_2(channels // 4))
    _shuffle[(n * height * width, triton.cdiv(channels // 4, block))](
        maps, out, height, width, channels // 4, BLOCK=block, **LAUNCH
    )
    return out


def _maps(n: int, channels: int, height: int, width: int, *, like: Tensor) -> Tensor:
    return torch.empty(
        (n, channels, height, width),
        dtype=like.dtype,
        device=like.device,
        memory_format=torch.channels_last,
    )


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def _quarter(images, out, height, width, numbers, BLOCK: tl.constexpr, CHANNELS: tl.constexpr):
    picture = tl.program_id(1).to(tl.int64)
    number = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = number < numbers
    channel, square = number % CHANNELS, number // CHANNELS
    pixel, colour = channel // 3, channel % 3
    row = square // (width // 2) * 2 + pixel // 2
    column = square % (width // 2) * 2 + pixel % 2
    place = images + (picture * height * width + row * width + column) * 3 + colour
    values = tl.load(place, mask=inside & (channel < 12), other=0.0)
    tl.store(out + picture * numbers + number, values, mask=inside)


@triton.jit
@no_type_check  # as above
def _pool(
    maps, bias, out, all_rows, all_columns, height, width, numbers,
    BLOCK: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    picture = tl.program_id(1).to(tl.int64)
    number = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = number < numbers
    channel, pixel = number % CHANNELS, number // CHANNELS
    row, column = pixel // (width // 2) * 2 - 1, pixel % (width // 2) * 2 - 1
    start = maps + picture * all_rows * all_columns * CHANNELS + channel
    best = tl.full((BLOCK,), float("-inf"), tl.float32)
    for i in tl.static_range(3):
        for j in tl.static_range(3):
            y, x = row + i, column + j
            there = inside & (y >= 0) & (y < height) & (x >= 0) & (x < width)
            place = start + (y * all_columns + x) * CHANNELS
            value = tl.load(place, mask=there, other=float("-inf")).to(tl.float32)
            best = tl.maximum(best, value)
    best += tl.load(bias + channel, mask=inside, other=0.0).to(tl.float32)
    values = tl.maximum(best, 0.0).to(out.dtype.element_ty)
    tl.store(out + picture * numbers + number, values, mask=inside)


@triton.jit
@no_type_check  # as above
def _join(
    fine, coarse, out, height, width, rows, columns, row_scale, column_scale,
    BLOCK: tl.constexpr, FINE: tl.constexpr, COARSE: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0).to(tl.int64)
    target = out + pixel * (FINE + COARSE)
    block = tl.program_id(1)
    if block < tl.cdiv(FINE, BLOCK):
        channel = block * BLOCK + tl.arange(0, BLOCK)
        inside = channel < FINE
        values = tl.load(fine + pixel * FINE + channel, mask=inside)
        tl.store(target + channel, values, mask=inside)
    else:
        channel = (block - tl.cdiv(FINE, BLOCK)) * BLOCK + tl.arange(0, BLOCK)
        inside = channel < COARSE
        y = (pixel // width % height + 0.5) * row_scale - 0.5
        x = (pixel % width + 0.5) * column_scale - 0.5
        y = tl.minimum(tl.maximum(y, 0.0), rows - 1.0)
        x = tl.minimum(tl.maximum(x, 0.0), columns - 1.0)
        above, left = y.to(tl.int32), x.to(tl.int32)
        below, right = tl.minimum(above + 1, rows - 1), tl.minimum(left + 1, columns - 1)
        down, across = y - above, x - left
        start = coarse + pixel // (height * width) * rows * columns * COARSE + channel
        a = tl.load(start + (above * columns + left) * COARSE, mask=inside).to(tl.float32)
        b = tl.load(start + (above * columns + right) * COARSE, mask=inside).to(tl.float32)
        c = tl.load(start + (below * columns + left) * COARSE, mask=inside).to(tl.float32)
        d = tl.load(start + (below * columns + right) * COARSE, mask=inside).to(tl.float32)
        upper, lower = (1 - across) * a + across * b, (1 - across) * c + across * d
        mixed = ((1 - down) * upper + down * lower).to(out.dtype.element_ty)
        tl.store(target + FINE + channel, mixed, mask=inside)


@triton.jit
@no_type_check  # as above
def _shuffle(maps, out, height, width, channels, BLOCK: tl.constexpr):
    pixel = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)[:, None]
    part = tl.arange(0, 4)[None, :]
    inside = (channel < channels) & (part < 4)
    values = tl.load(maps + (pixel * channels + channel) * 4 + part, mask=inside)
    picture, row, column = pixel // (height * width), pixel // width % height, pixel % width
    row = (picture * height + row) * 2 + part // 2
    place = (row * width * 2 + column * 2 + part % 2) * channels + channel
    tl.store(out + place, values, mask=inside)
