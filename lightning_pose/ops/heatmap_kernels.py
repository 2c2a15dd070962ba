"""Heatmaps from score maps, and peaks from heatmaps, in one pass each, in Triton: for predictions.

Nothing looks back through them; every program has one map.
"""

# Triton's language has no types.
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import math
from typing import no_type_check

import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from lightning_pose.ops.devices import LAUNCH, on_its_gpu
from lightning_pose.ops.heatmaps import NEWTON_STEPS, SMALLEST_MASS, SMALLEST_SLOPE

LARGEST = 16384  # pixels of a map of which one program makes a softmax
_BLOCK, _WARPS = 4096, 8
_STEPS = tl.constexpr(NEWTON_STEPS)
_MASS, _SLOPE = tl.constexpr(SMALLEST_MASS), tl.constexpr(SMALLEST_SLOPE)


@on_its_gpu
def softmax_of_phases(
    phases: Float[Tensor, "n phases rows columns"], bias: Float[Tensor, "k h w"]
) -> Float[Tensor, "n k h w"]:
    """Return spatial_softmax(maps + bias) of maps that come as squares of pixels.

    With squares of s x s pixels, pixel (y, x) of map k is channel k s^2 + s i + j of the square in
    row (y + s - 1) // s and column (x + s - 1) // s, where i and j are what these divisions leave.

    Args:
        phases: channels-last in memory.
        bias: contiguous, of at most ``LARGEST`` pixels a map.

    Returns:
        Heatmaps, all NaN where any score is.
    """
    n, channels, rows, columns = phases.shape
    k, height, width = bias.shape
    out = phases.new_empty((n, k, height, width))
    _softmax[(n * k,)](
        phases, bias, out, k, rows, columns, height, width,
        SIDE=math.isqrt(channels // k),
        NUMBERS=height * width,
        BLOCK=triton.next_power_of_2(height * width),
        num_warps=_WARPS, **LAUNCH,
    )  # fmt: skip
    return out


@on_its_gpu
def locate_peaks(
    heatmaps: Float[Tensor, "*b h w"], *, sigma: float, radius: int, whole: int
) -> tuple[Float[Tensor, "*b 2"], Float[Tensor, "*b"]]:
    """Return what the function of this name in :mod:`~lightning_pose.ops.heatmaps` does.

    Args:
        heatmaps: contiguous.
        sigma: width of a peak in heatmap pixels.
        radius: the place hangs on so many pixels to each side of the highest one.
        whole: the confidence on so many.

    Returns:
        Places and confidences; NaN where any pixel of the map is NaN or infinite.
    """
    *batch, height, width = heatmaps.shape
    number = math.prod(batch)
    points = heatmaps.new_empty((*batch, 2))
    confidences = heatmaps.new_empty(batch)
    _peaks[(number,)](
        heatmaps, points, confidences, height, width, sigma,
        NUMBERS=height * width,
        BLOCK=min(_BLOCK, triton.next_power_of_2(height * width)),
        SIDE=triton.next_power_of_2(2 * whole + 1),
        RADIUS=radius, WHOLE=whole, **LAUNCH,
    )  # fmt: skip
    return points, confidences


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def _softmax(
    phases, bias, out, k, rows, columns, height, width,
    SIDE: tl.constexpr, NUMBERS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0).to(tl.int64)
    image, keypoint = program // k, program % k
    number = tl.arange(0, BLOCK)
    inside = number < NUMBERS
    y, x = number // width + SIDE - 1, number % width + SIDE - 1
    square = (image * rows + y // SIDE) * columns + x // SIDE
    place = (square * k + keypoint) * SIDE * SIDE + y % SIDE * SIDE + x % SIDE
    scores = tl.load(phases + place, mask=inside, other=float("-inf"))
    scores += tl.load(bias + keypoint * NUMBERS + number, mask=inside, other=0.0)
    parts = tl.exp(scores - tl.max(scores, axis=0))
    tl.store(out + program * NUMBERS + number, parts / tl.sum(parts, axis=0), mask=inside)


@triton.jit
@no_type_check  # as above
def _peaks(
    maps, points, confidences, height, width, sigma,
    NUMBERS: tl.constexpr, BLOCK: tl.constexpr, SIDE: tl.constexpr,
    RADIUS: tl.constexpr, WHOLE: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0).to(tl.int64)
    image = maps + program * NUMBERS
    best = float("-inf")
    peak = 0
    total = 0.0
    for start in range(0, NUMBERS, BLOCK):
        number = start + tl.arange(0, BLOCK)
        inside = number < NUMBERS
        values = tl.load(image + number, mask=inside, other=0.0).to(tl.float32)
        total += tl.sum(values, axis=0)
        highest, place = tl.max(
            tl.where(inside, values, float("-inf")), axis=0, return_indices=True
        )
        peak = tl.where(highest > best, start + place, peak)
        best = tl.maximum(best, highest)
    unknown = total - total  # NaN where any pixel is NaN or infinite; a GPU's maximum drops it
    total = tl.maximum(total, _MASS)
    peak_x, peak_y = peak % width, peak // width
    side = tl.arange(0, SIDE) - WHOLE
    offset = side.to(tl.float32)
    in_window = side <= WHOLE
    column_inside = in_window & (peak_x + side >= 0) & (peak_x + side < width)
    row_inside = in_window & (peak_y + side >= 0) & (peak_y + side < height)
    shared = row_inside[:, None] & column_inside[None, :]
    place = (peak_y + side)[:, None] * width + (peak_x + side)[None, :]
    window = tl.load(image + place, mask=shared, other=0.0).to(tl.float32)
    near = (side >= -RADIUS) & (side <= RADIUS)
    middle = tl.where(near[:, None] & near[None, :], window, 0.0)
    x_profile, y_profile = tl.sum(middle, axis=0), tl.sum(middle, axis=1)
    x = _centre(x_profile, offset, column_inside & near, peak_x, width, sigma, RADIUS)
    y = _centre(y_profile, offset, row_inside & near, peak_y, height, sigma, RADIUS)
    ideal_x = _gaussian(x, offset, column_inside, sigma)
    ideal_y = _gaussian(y, offset, row_inside, sigma)
    ideal = ideal_y[:, None] * ideal_x[None, :]
    common = tl.sum(tl.sum(tl.minimum(window / total, ideal), axis=1), axis=0)
    tl.store(points + 2 * program, peak_x.to(tl.float32) + x + unknown)
    tl.store(points + 2 * program + 1, peak_y.to(tl.float32) + y + unknown)
    tl.store(confidences + program, common + unknown)


@triton.jit
@no_type_check  # as above
def _gaussian(centre, offset, inside, sigma):
    distance = offset - centre
    weight = tl.where(inside, tl.exp(-distance * distance / (2 * sigma * sigma)), 0.0)
    return weight / tl.maximum(tl.sum(weight, axis=0), _MASS)


@triton.jit
@no_type_check  # as above
def _centre(profile, offset, inside, peak, size, sigma, RADIUS: tl.constexpr):
    goal = tl.sum(profile * offset, axis=0) / tl.maximum(tl.sum(profile, axis=0), _MASS)
    low = tl.maximum(-0.5 - peak, -RADIUS + 0.0)
    high = tl.minimum(size - 0.5 - peak, RADIUS + 0.0)
    centre = goal
    for _ in tl.static_range(_STEPS):
        weight = _gaussian(centre, offset, inside, sigma)
        mean = tl.sum(weight * offset, axis=0)
        away = offset - mean
        slope = tl.sum(weight * away * away, axis=0) / (sigma * sigma)
        centre = centre + (goal - mean) / tl.maximum(slope, _SLOPE)
        centre = tl.maximum(tl.minimum(centre, high), low)
    return centre
