"""The conversion of :mod:`lightning_pose.ops.yuv` in Triton, wherever a decoder put a picture."""

# Triton's language has no types.
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportArgumentType=false

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl
from jaxtyping import Int, UInt8
from torch import Tensor

from lightning_pose.ops.devices import LAUNCH, on_its_gpu
from lightning_pose.ops.yuv import YuvToRgb

_BLOCK = 1024


@on_its_gpu
def nv12_at_to_rgb(
    addresses: Int[Tensor, " n"], rgb: UInt8[Tensor, "n height width 3"], conversion: YuvToRgb
) -> None:
    """Write RGB pictures made of NV12 pictures that lie anywhere in the memory of a GPU.

    Args:
        addresses: of each picture: ``height`` rows of Y, then half as many of U and V in turns,
            without gaps; on the GPU.
        rgb: where to; of even height and width.
        conversion: the numbers.
    """
    _, height, width, _ = rgb.shape
    if len(addresses):
        grid = (triton.cdiv(height * width, _BLOCK), len(addresses))
        _nv12_to_rgb[grid](
            addresses,
            rgb,
            height,
            width,
            conversion.black,
            8 * conversion.y,
            8 * conversion.v_red,
            8 * conversion.u_green,
            8 * conversion.v_green,
            8 * conversion.u_blue,
            BLOCK=_BLOCK,
            **LAUNCH,
        )


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def _nv12_to_rgb(
    addresses,
    rgb,
    height,
    width,
    black,
    y_factor,
    v_red,
    u_green,
    v_green,
    u_blue,
    BLOCK: tl.constexpr,
):
    picture = tl.program_id(1)
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < height * width
    row = pixel // width
    column = pixel % width
    nv12 = tl.load(addresses + picture).to(tl.pointer_type(tl.uint8))
    colour = nv12 + (height + row // 2) * width + (column // 2) * 2
    y = (tl.load(nv12 + pixel, mask=inside, other=0).to(tl.int32) - black) * y_factor >> 16
    u = tl.load(colour, mask=inside, other=128).to(tl.int32) - 128
    v = tl.load(colour + 1, mask=inside, other=128).to(tl.int32) - 128
    red = y + (v * v_red >> 16)
    green = y + (u * u_green >> 16) + (v * v_green >> 16)
    blue = y + (u * u_blue >> 16)
    place = rgb + (picture.to(tl.int64) * height * width + pixel) * 3
    tl.store(place, tl.minimum(tl.maximum(red, 0), 255).to(tl.uint8), mask=inside)
    tl.store(place + 1, tl.minimum(tl.maximum(green, 0), 255).to(tl.uint8), mask=inside)
    tl.store(place + 2, tl.minimum(tl.maximum(blue, 0), 255).to(tl.uint8), mask=inside)
