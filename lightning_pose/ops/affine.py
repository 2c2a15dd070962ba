"""Affine maps between pixel frames: make, join, invert, apply to points, sample images.

A map is a 2x3 matrix ``[L | t]`` that takes the column (x, y) to ``L (x, y) + t``. Pixel centres
are integers, so an image of width W covers x from -0.5 to W - 0.5, and a resize keeps those
*edges* in place, not the centres of the outer pixels::

    x_net = (x_img + 0.5) * W_net / W_img - 0.5

Every function is batched over leading axes, differentiable, and free of host synchronisation.
None uses a matrix product: TF32 and autocast shorten those to 10 or 8 bits, which at x = 1000 is
an error of whole pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def resize_affine(image_hw: Sequence[int], net_hw: Sequence[int]) -> Float[Tensor, "2 3"]:
    """Return the map from pixels of an image to pixels of the network's input it is resized to.

    Args:
        image_hw: height and width of the image.
        net_hw: height and width it is resized to; the aspect may change.

    Example:
        >>> resize_affine((100, 200), (50, 50))
        tensor([[ 0.2500,  0.0000, -0.3750],
                [ 0.0000,  0.5000, -0.2500]])
    """
    height, width = image_hw
    return crop_resize_affine(torch.tensor([0.0, 0.0, height, width]), net_hw)


def crop_resize_affine(
    boxes_xyhw: Float[Tensor, "*batch 4"], net_hw: Sequence[int]
) -> Float[Tensor, "*batch 2 3"]:
    """Return the maps from pixels of an image to those of a box cut out of it and resized.

    Args:
        boxes_xyhw: first column, first row, height and width of each box, in image pixels.
        net_hw: height and width the box is resized to.

    Example:
        >>> to_net = crop_resize_affine(torch.tensor([10.0, 20.0, 64.0, 64.0]), (64, 64))
        >>> apply_affine(to_net, torch.tensor([[10.0, 20.0]]))
        tensor([[0., 0.]])
    """
    x, y, height, width = boxes_xyhw.unbind(-1)
    scale_x, scale_y = net_hw[1] / width, net_hw[0] / height
    zero = torch.zeros_like(x)
    shift_x = (0.5 - x) * scale_x - 0.5
    shift_y = (0.5 - y) * scale_y - 0.5
    rows = [torch.stack([scale_x, zero, shift_x], -1), torch.stack([zero, scale_y, shift_y], -1)]
    return torch.stack(rows, -2)


def affine_about(
    linear: Float[Tensor, "*batch 2 2"], center_xy: Float[Tensor, "*batch 2"]
) -> Float[Tensor, "*batch 2 3"]:
    """Return the maps p -> L (p - c) + c, which apply ``linear`` and leave ``center_xy`` in place.

    Example:
        >>> quarter_turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> turn = affine_about(quarter_turn, torch.tensor([2.0, 2.0]))
        >>> apply_affine(turn, torch.tensor([[3.0, 2.0]]))
        tensor([[2., 3.]])
    """
    shift = center_xy - (linear * center_xy[..., None, :]).sum(-1)
    return torch.cat([linear, shift[..., None]], -1)


def invert_affine(affine: Float[Tensor, "*batch 2 3"]) -> Float[Tensor, "*batch 2 3"]:
    """Return the maps that undo ``affine``: L^-1 (p - t). A singular map gives inf or NaN.

    Example:
        >>> to_net = resize_affine((100, 200), (50, 50))
        >>> compose_affine(invert_affine(to_net), to_net)
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    (a, b, x), (c, d, y) = (row.unbind(-1) for row in affine.unbind(-2))
    determinant = a * d - b * c
    top = torch.stack([d, -b, b * y - d * x], -1)
    bottom = torch.stack([-c, a, c * x - a * y], -1)
    return torch.stack([top, bottom], -2) / determinant[..., None, None]


def compose_affine(
    outer: Float[Tensor, "*#batch 2 3"], inner: Float[Tensor, "*#batch 2 3"]
) -> Float[Tensor, "*#batch 2 3"]:
    """Return the maps that do ``inner`` first and ``outer`` after it; leading axes broadcast.

    Example:
        >>> halve = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]])
        >>> shift = torch.tensor([[1.0, 0.0, 4.0], [0.0, 1.0, 0.0]])
        >>> compose_affine(halve, shift)
        tensor([[0.5000, 0.0000, 2.0000],
                [0.0000, 0.5000, 0.0000]])
    """
    product = (outer[..., :, :2, None] * inner[..., None, :, :]).sum(-2)
    last_column = functional.pad(outer[..., 2:], (2, 0))
    return product + last_column


def apply_affine(
    affine: Float[Tensor, "*#batch 2 3"], points: Float[Tensor, "*#batch k 2"]
) -> Float[Tensor, "*#batch k 2"]:
    """Return where ``affine`` takes ``points`` (x, y); leading axes broadcast, NaN stays NaN.

    Example:
        >>> to_net = resize_affine((100, 200), (50, 50))
        >>> apply_affine(to_net, torch.tensor([[-0.5, -0.5], [199.5, 99.5]]))
        tensor([[-0.5000, -0.5000],
                [49.5000, 49.5000]])
    """
    turned = (affine[..., None, :, :2] * points[..., None, :]).sum(-1)
    return turned + affine[..., None, :, 2]


def sampling_points(
    out_to_source: Float[Tensor, "n 2 3"], out_hw: Sequence[int]
) -> Float[Tensor, "n 2 h w"]:
    """Return, for every pixel of the output, the source pixel (x, y) it is read from.

    Example:
        >>> shift = torch.tensor([[[1.0, 0.0, 4.0], [0.0, 1.0, 0.0]]])
        >>> sampling_points(shift, (2, 3))[0, :, 1, 2]
        tensor([6., 1.])
    """
    height, width = out_hw
    columns = torch.arange(width, device=out_to_source.device, dtype=out_to_source.dtype)
    rows = torch.arange(height, device=out_to_source.device, dtype=out_to_source.dtype)
    by_column = out_to_source[..., :1] * columns + out_to_source[..., 2:]
    by_row = out_to_source[..., 1:2] * rows
    return by_column[:, :, None, :] + by_row[:, :, :, None]


def sample_images(
    images: Float[Tensor, "n c source_h source_w"], points: Float[Tensor, "n 2 h w"]
) -> Float[Tensor, "n c h w"]:
    """Return ``images`` read at ``points`` (source pixels): bilinear, zero outside.

    ``grid_sample`` with ``align_corners=False`` has -1 and 1 at the image's outer edges, hence
    ``x_grid = (2 x + 1) / W - 1`` with integer pixel centres.

    Example:
        >>> row = torch.tensor([[[[0.0, 10.0, 20.0, 30.0]]]])
        >>> x, y = torch.tensor([0.5, 2.0, 9.0]), torch.zeros(3)
        >>> sample_images(row, torch.stack([x, y]).view(1, 2, 1, 3))
        tensor([[[[ 5., 20.,  0.]]]])
    """
    height, width = images.shape[-2:]
    x, y = points.unbind(1)
    x_grid = x * (2.0 / width) + (1.0 / width - 1.0)
    y_grid = y * (2.0 / height) + (1.0 / height - 1.0)
    grid = torch.stack([x_grid, y_grid], -1)
    return functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def warp(
    images: Float[Tensor, "n c source_h source_w"],
    out_to_source: Float[Tensor, "n 2 3"],
    out_hw: Sequence[int],
) -> Float[Tensor, "n c h w"]:
    """Return ``images`` moved so that output pixel p shows the source at ``out_to_source`` p.

    Bilinear, zero outside. A point q of the source is found at ``invert_affine(out_to_source)`` q.

    Example:
        >>> shift = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
        >>> warp(torch.tensor([[[[1.0, 2.0, 3.0]]]]), shift, (1, 3))
        tensor([[[[2., 3., 0.]]]])
    """
    return sample_images(images, sampling_points(out_to_source, out_hw))
