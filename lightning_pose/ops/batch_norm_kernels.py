"""Triton kernels of batch norm, what is added to it and the activation after it.

Maps lie channels-last: a row is one pixel of one image, with all its channels.
"""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def _tile(
    number_of_rows, channels, first_row, first_channel,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Return the places of a tile in memory, its channels and what of it exists."""
    rows = first_row + tl.arange(0, ROWS)
    columns = first_channel + tl.arange(0, CHANNELS)
    exists = (rows < number_of_rows)[:, None] & (columns < channels)[None, :]
    return rows[:, None] * channels + columns[None, :], columns, columns < channels, exists


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def _own_tile(number_of_rows, channels, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """Return the tile of this program, of as many as there are.

    They are counted along one axis: along the others a GPU takes no more than 65,535.
    """
    across = tl.cdiv(channels, CHANNELS)
    number = tl.program_id(0)
    return _tile(
        number_of_rows, channels, number // across * ROWS, number % across * CHANNELS,
        ROWS, CHANNELS,
    )  # fmt: skip


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def _passed_on(gradient, before, ACTIVATION: tl.constexpr):
    """Return the gradient before the activation, given the value before (or after) it."""
    if ACTIVATION == 1:
        gradient = tl.where(before > 0, gradient, 0.0)
    if ACTIVATION == 2:
        gradient = tl.where((before > 0) & (before < 6), gradient, 0.0)
    return gradient


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def add_up_moments(
    x_ptr, sums_ptr, number_of_rows, channels, rows_each,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Add up x and x^2, counted from the first row, for one part of the rows."""
    part = tl.program_id(1)
    first_channel = tl.program_id(0) * CHANNELS
    columns = first_channel + tl.arange(0, CHANNELS)
    first = tl.load(x_ptr + columns, mask=columns < channels, other=0.0).to(tl.float32)
    total = tl.zeros((ROWS, CHANNELS), tl.float32)
    squares = tl.zeros((ROWS, CHANNELS), tl.float32)
    for done in range(0, rows_each, ROWS):
        at, columns, _, exists = _tile(
            number_of_rows, channels, part * rows_each + done, first_channel, ROWS, CHANNELS
        )
        x = tl.load(x_ptr + at, mask=exists, other=0.0).to(tl.float32)
        away = tl.where(exists, x - first[None, :], 0.0)
        total += away
        squares += away * away
    out = sums_ptr + part * 2 * channels + columns
    tl.store(out, tl.sum(total, 0), mask=columns < channels)
    tl.store(out + channels, tl.sum(squares, 0), mask=columns < channels)


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def finish_moments(
    x_ptr, sums_ptr, weight_ptr, bias_ptr, running_mean_ptr, running_var_ptr, line_ptr,
    number_of_rows, channels, parts, momentum, eps,
    PARTS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write mean, 1 / std, and scale and shift of y = scale x + shift; move the running means."""
    part = tl.arange(0, PARTS)
    columns = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    here = columns < channels
    at = part[:, None] * 2 * channels + columns[None, :]
    exists = (part < parts)[:, None] & here[None, :]
    total = tl.sum(tl.load(sums_ptr + at, mask=exists, other=0.0), 0)
    squares = tl.sum(tl.load(sums_ptr + channels + at, mask=exists, other=0.0), 0)
    away = total / number_of_rows
    var = tl.maximum(squares / number_of_rows - away * away, 0.0)
    mean = tl.load(x_ptr + columns, mask=here, other=0.0).to(tl.float32) + away
    over_std = 1.0 / tl.sqrt(var + eps)
    scale = tl.load(weight_ptr + columns, mask=here, other=0.0) * over_std
    shift = tl.load(bias_ptr + columns, mask=here, other=0.0) - mean * scale
    tl.store(line_ptr + columns, mean, mask=here)
    tl.store(line_ptr + channels + columns, over_std, mask=here)
    tl.store(line_ptr + 2 * channels + columns, scale, mask=here)
    tl.store(line_ptr + 3 * channels + columns, shift, mask=here)
    old = tl.load(running_mean_ptr + columns, mask=here, other=0.0)
    tl.store(running_mean_ptr + columns, old + momentum * (mean - old), mask=here)
    old = tl.load(running_var_ptr + columns, mask=here, other=0.0)
    unbiased = var * (number_of_rows / tl.maximum(number_of_rows - 1, 1))
    tl.store(running_var_ptr + columns, old + momentum * (unbiased - old), mask=here)


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def apply(
    x_ptr, added_ptr, line_ptr, y_ptr, number_of_rows, channels,
    ADDS: tl.constexpr, ACTIVATION: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write activation(scale x + shift + added)."""
    at, columns, here, exists = _own_tile(number_of_rows, channels, ROWS, CHANNELS)
    scale = tl.load(line_ptr + 2 * channels + columns, mask=here, other=0.0)
    shift = tl.load(line_ptr + 3 * channels + columns, mask=here, other=0.0)
    y = (
        tl.load(x_ptr + at, mask=exists, other=0.0).to(tl.float32) * scale[None, :]
        + shift[None, :]
    )
    if ADDS:
        y += tl.load(added_ptr + at, mask=exists, other=0.0).to(tl.float32)
    if ACTIVATION > 0:
        y = tl.maximum(y, 0.0)
    if ACTIVATION == 2:
        y = tl.minimum(y, 6.0)
    tl.store(y_ptr + at, y, mask=exists)


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def add_up_gradients(
    dy_ptr, x_ptr, y_ptr, line_ptr, dadded_ptr, sums_ptr, number_of_rows, channels, rows_each,
    ADDS: tl.constexpr, ACTIVATION: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Add up the gradient before the activation, and times normalised x, for part of the rows."""
    part = tl.program_id(1)
    first_channel = tl.program_id(0) * CHANNELS
    columns = first_channel + tl.arange(0, CHANNELS)
    here = columns < channels
    mean = tl.load(line_ptr + columns, mask=here, other=0.0)
    over_std = tl.load(line_ptr + channels + columns, mask=here, other=0.0)
    scale = tl.load(line_ptr + 2 * channels + columns, mask=here, other=0.0)
    shift = tl.load(line_ptr + 3 * channels + columns, mask=here, other=0.0)
    total = tl.zeros((ROWS, CHANNELS), tl.float32)
    products = tl.zeros((ROWS, CHANNELS), tl.float32)
    for done in range(0, rows_each, ROWS):
        at, columns, here, exists = _tile(
            number_of_rows, channels, part * rows_each + done, first_channel, ROWS, CHANNELS
        )
        x = tl.load(x_ptr + at, mask=exists, other=0.0).to(tl.float32)
        gradient = tl.load(dy_ptr + at, mask=exists, other=0.0).to(tl.float32)
        if ADDS:
            y = tl.load(y_ptr + at, mask=exists, other=0.0).to(tl.float32)
            gradient = _passed_on(gradient, y, ACTIVATION)
            tl.store(dadded_ptr + at, gradient, mask=exists)
        else:
            gradient = _passed_on(gradient, x * scale[None, :] + shift[None, :], ACTIVATION)
        total += gradient
        products += gradient * tl.where(exists, (x - mean[None, :]) * over_std[None, :], 0.0)
    out = sums_ptr + part * 2 * channels + columns
    tl.store(out, tl.sum(total, 0), mask=here)
    tl.store(out + channels, tl.sum(products, 0), mask=here)


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def finish_gradients(
    sums_ptr, line_ptr, dweight_ptr, dbias_ptr, slope_ptr, number_of_rows, channels, parts,
    PARTS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write the gradients of weight and bias, and b and c of dx = scale g + b x + c."""
    part = tl.arange(0, PARTS)
    columns = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    here = columns < channels
    at = part[:, None] * 2 * channels + columns[None, :]
    exists = (part < parts)[:, None] & here[None, :]
    dbias = tl.sum(tl.load(sums_ptr + at, mask=exists, other=0.0), 0)
    dweight = tl.sum(tl.load(sums_ptr + channels + at, mask=exists, other=0.0), 0)
    mean = tl.load(line_ptr + columns, mask=here, other=0.0)
    over_std = tl.load(line_ptr + channels + columns, mask=here, other=0.0)
    scale = tl.load(line_ptr + 2 * channels + columns, mask=here, other=0.0)
    by_x = -scale * over_std * dweight / number_of_rows
    tl.store(dweight_ptr + columns, dweight, mask=here)
    tl.store(dbias_ptr + columns, dbias, mask=here)
    tl.store(slope_ptr + columns, by_x, mask=here)
    tl.store(
        slope_ptr + channels + columns, -scale * dbias / number_of_rows - by_x * mean, mask=here
    )


@triton.jit
@no_type_check  # the types of kernels are those of Triton
def gradient_of_x(
    gradient_ptr, x_ptr, line_ptr, slope_ptr, dx_ptr, number_of_rows, channels,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write dx; ACTIVATION is 0 if the gradient given is already the one before it."""
    at, columns, here, exists = _own_tile(number_of_rows, channels, ROWS, CHANNELS)
    scale = tl.load(line_ptr + 2 * channels + columns, mask=here, other=0.0)[None, :]
    shift = tl.load(line_ptr + 3 * channels + columns, mask=here, other=0.0)[None, :]
    by_x = tl.load(slope_ptr + columns, mask=here, other=0.0)[None, :]
    constant = tl.load(slope_ptr + channels + columns, mask=here, other=0.0)[None, :]
    x = tl.load(x_ptr + at, mask=exists, other=0.0).to(tl.float32)
    gradient = tl.load(gradient_ptr + at, mask=exists, other=0.0).to(tl.float32)
    gradient = _passed_on(gradient, x * scale + shift, ACTIVATION)
    tl.store(dx_ptr + at, scale * gradient + by_x * x + constant, mask=exists)
