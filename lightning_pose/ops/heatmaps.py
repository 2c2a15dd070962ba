"""Heatmaps: render targets, turn scores into maps, read coordinates and confidence off maps.

A heatmap is a distribution over the pixels of a grid 2^factor coarser than the network's input::

    x_heatmap = (x_net + 0.5) / 2^factor - 0.5

Everything is computed in at least 32 bits, whatever autocast says, batched, and free of host
synchronisation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lightning_pose.ops.arithmetic import full_precision
from lightning_pose.ops.kernels import kernel_module

NEWTON_STEPS = 3  # from the centroid; a Gaussian on the very border is then placed to 1e-4 pixels
SMALLEST_MASS = 1e-12  # an empty map is divided by this
SMALLEST_SLOPE = 0.02  # what a step of Newton's method is divided by at least
WHOLE_PEAK = 3.0  # a Gaussian is looked at this many sigmas to each side


def net_to_heatmap(points_net: Float[Tensor, "*b 2"], *, factor: int) -> Float[Tensor, "*b 2"]:
    """Return points given in network pixels in pixels of the heatmap.

    Example:
        >>> net_to_heatmap(torch.tensor([-0.5, 1.5]), factor=2)
        tensor([-0.5000,  0.0000])
    """
    return (points_net + 0.5) / 2**factor - 0.5


def heatmap_to_net(points_heatmap: Float[Tensor, "*b 2"], *, factor: int) -> Float[Tensor, "*b 2"]:
    """Return points given in heatmap pixels in pixels of the network's input.

    Example:
        >>> heatmap_to_net(torch.tensor([-0.5, 0.0]), factor=2)
        tensor([-0.5000,  1.5000])
    """
    return (points_heatmap + 0.5) * 2**factor - 0.5


def render_heatmaps(
    keypoints_net: Float[Tensor, "*b k 2"],
    *,
    net_hw: Sequence[int],
    factor: int,
    sigma: float = 1.25,
    uniform_for_missing: bool = True,
) -> Float[Tensor, "*b k h w"]:
    """Return a target map for each keypoint: exp(-d^2 / 2 sigma^2), scaled to sum 1.

    The centre is the exact sub-pixel place. A missing keypoint (NaN) gets the uniform map, or
    zeros, which losses read as "no target". A keypoint outside the picture gets zeros.

    Args:
        keypoints_net: network pixels (x, y); NaN = not labelled.
        net_hw: height and width of the network's input.
        factor: the map is 2^factor smaller.
        sigma: width of the Gaussian in heatmap pixels.
        uniform_for_missing: uniform map (True) or zeros for NaN.

    Example:
        >>> maps = render_heatmaps(torch.tensor([[5.5, 1.5]]), net_hw=(8, 16), factor=2)
        >>> maps.shape
        torch.Size([1, 2, 4])
        >>> maps[0, 0].argmax()  # x_heatmap = 6 / 4 - 0.5 = 1
        tensor(1)
    """
    points = full_precision(keypoints_net)
    missing = points.isnan().any(-1, keepdim=True)
    inside = _inside(points, net_hw)[..., None]
    centers = net_to_heatmap(torch.where(inside, points, 0.0), factor=factor)
    x_profile, y_profile = (
        torch.where(
            missing,
            1.0 / size if uniform_for_missing else 0.0,
            torch.where(inside, _bump(centers[..., axis, None], size=size, sigma=sigma), 0.0),
        )
        for axis, size in enumerate((net_hw[1] >> factor, net_hw[0] >> factor))
    )
    return y_profile[..., :, None] * x_profile[..., None, :]


def spatial_softmax(
    scores: Float[Tensor, "*b h w"], *, temperature: float = 1.0
) -> Float[Tensor, "*b h w"]:
    """Return softmax(scores / temperature) over the pixels of each map; each map sums to 1.

    Example:
        >>> spatial_softmax(torch.zeros(1, 2, 2))
        tensor([[[0.2500, 0.2500],
                 [0.2500, 0.2500]]])
    """
    flat = full_precision(scores).flatten(-2) / temperature
    return flat.softmax(-1).reshape(scores.shape)


def soft_argmax(
    heatmaps: Float[Tensor, "*b h w"], *, sigma: float = 1.25, radius: int = 2
) -> Float[Tensor, "*b 2"]:
    """Return where the highest peak of each map is, in heatmap pixels (x, y), differentiably.

    The place is that of the Gaussian of width ``sigma`` which is nearest, in the Kullback-Leibler
    sense, to the map in a window around its highest pixel. That is the place whose Gaussian, cut
    off by the window and the map's edges, has the window's centroid for its mean; the mean is a
    monotone function of the place and inverted by Newton's method. So a window may be small, and
    half a peak at the border is placed as well as a whole one. Other modes have no say.

    Gradients flow through the pixels of the window and move mass within it. An empty map gives the
    first pixel.

    Args:
        heatmaps: non-negative; the scale does not matter.
        sigma: width of a peak in heatmap pixels.
        radius: the window reaches this many pixels to each side of the highest one.

    Example:
        >>> maps = render_heatmaps(torch.tensor([[9.0, 2.5]]), net_hw=(64, 64), factor=2)
        >>> soft_argmax(maps)  # (x + 0.5) / 4 - 0.5
        tensor([[1.8750, 0.2500]])
    """
    return _fit_gaussian(_window(heatmaps, radius=radius), sigma=sigma)


def peak_mass(
    heatmaps: Float[Tensor, "*b h w"], *, sigma: float = 1.25, radius: int = 2
) -> Float[Tensor, "*b"]:
    """Return which part of each map's mass lies under one ideal peak, 0..1: a confidence.

    The ideal peak is the Gaussian of width ``sigma`` at :func:`soft_argmax`; the part is
    sum min(map, Gaussian), that is 1 minus their total variation distance.
    It is 1 for a rendered Gaussian anywhere, 1/2 for two equal ones, and next to 0 for a map that
    says nothing. A peak that is too wide, too narrow or lopsided costs confidence too; the plain
    mass around a peak does not see these and is close to 1 for most wrong predictions.

    Example:
        >>> points = torch.tensor([[9.5, 9.5], [41.5, 41.5]])
        >>> one, other = render_heatmaps(points, net_hw=(64, 64), factor=2)
        >>> peak_mass(torch.stack([one, (one + other) / 2]))
        tensor([0.9998, 0.4999])
    """
    return locate_peaks(heatmaps, sigma=sigma, radius=radius)[1]


def locate_peaks(
    heatmaps: Float[Tensor, "*b h w"], *, sigma: float = 1.25, radius: int = 2
) -> tuple[Float[Tensor, "*b 2"], Float[Tensor, "*b"]]:
    """Return :func:`soft_argmax` and :func:`peak_mass` of each map, for the price of one.

    Both are NaN where any pixel of the map is. On a GPU, where no gradient is wanted, a kernel
    finds them in one pass, in 32 bits.

    Example:
        >>> maps = render_heatmaps(torch.tensor([[9.5, 2.5]]), net_hw=(64, 64), factor=2)
        >>> [values.round(decimals=3) for values in locate_peaks(maps)]
        [tensor([[2.0000, 0.2500]]), tensor([1.])]
    """
    wide = max(radius, math.ceil(WHOLE_PEAK * sigma))
    maps = full_precision(heatmaps)
    if maps.dtype == torch.float32 and not torch.is_grad_enabled():
        kernels = kernel_module("heatmap_kernels", maps.device)
        if kernels is not None:
            return kernels.locate_peaks(maps.contiguous(), sigma=sigma, radius=radius, whole=wide)
    whole = _window(heatmaps, radius=wide)
    points = _fit_gaussian(_narrow(whole, radius), sigma=sigma)
    center = points - whole.peak_xy
    x_profile, y_profile = _truncated_gaussian(center, whole, sigma=sigma).unbind(-2)
    ideal = y_profile[..., :, None] * x_profile[..., None, :]
    common = torch.minimum(whole.values / whole.total[..., None, None], ideal)
    return points, common.sum((-2, -1))


@dataclass(frozen=True)
class _Window:
    """The neighbourhood of each map's highest pixel.

    Attributes:
        peak_xy: the highest pixel.
        offsets: columns and rows of the neighbourhood, counted from that pixel.
        inside: 1 for those the map has, 0 for the others.
        low_xy, high_xy: where the peak can be, counted from that pixel: in the window and the map.
        values: the neighbourhood; 0 where the map has none.
        total: mass of the whole map.
    """

    peak_xy: Float[Tensor, "*b 2"]
    offsets: Float[Tensor, " d"]
    inside: Float[Tensor, "*b 2 d"]
    low_xy: Float[Tensor, "*b 2"]
    high_xy: Float[Tensor, "*b 2"]
    values: Float[Tensor, "*b d d"]
    total: Float[Tensor, "*b"]


def _window(heatmaps: Float[Tensor, "*b h w"], *, radius: int) -> _Window:
    height, width = heatmaps.shape[-2:]
    flat = full_precision(heatmaps).flatten(-2)
    peak = flat.argmax(-1)
    offsets = torch.arange(-radius, radius + 1, device=flat.device)
    columns, rows = (peak % width)[..., None] + offsets, (peak // width)[..., None] + offsets
    column_inside = ((columns >= 0) & (columns < width)).to(flat.dtype)
    row_inside = ((rows >= 0) & (rows < height)).to(flat.dtype)
    starts = rows.clamp(0, height - 1) * width
    index = starts[..., :, None] + columns.clamp(0, width - 1)[..., None, :]
    values = flat.gather(-1, index.flatten(-2)).reshape(index.shape)
    values = values * row_inside[..., :, None] * column_inside[..., None, :]
    peak_xy = torch.stack([peak % width, peak // width], -1).to(flat.dtype)
    high_xy = torch.stack([width - 0.5 - peak_xy[..., 0], height - 0.5 - peak_xy[..., 1]], -1)
    return _Window(
        peak_xy=peak_xy,
        offsets=offsets.to(flat.dtype),
        inside=torch.stack([column_inside, row_inside], -2),
        low_xy=(-0.5 - peak_xy).clamp(min=-radius),
        high_xy=high_xy.clamp(max=radius),
        values=values,
        total=_not_zero(flat.sum(-1)),
    )


def _narrow(window: _Window, radius: int) -> _Window:
    """Return the part of the window within ``radius`` of the highest pixel."""
    middle = len(window.offsets) // 2
    kept = slice(middle - radius, middle + radius + 1)
    return replace(
        window,
        offsets=window.offsets[kept],
        inside=window.inside[..., kept],
        low_xy=window.low_xy.clamp(min=-radius),
        high_xy=window.high_xy.clamp(max=radius),
        values=window.values[..., kept, kept],
    )


def _fit_gaussian(window: _Window, *, sigma: float) -> Float[Tensor, "*b 2"]:
    """Return the centre of the Gaussian whose truncation to the window has the window's mean."""
    profiles = torch.stack([window.values.sum(-2), window.values.sum(-1)], -2)
    mean = (profiles * window.offsets).sum(-1) / _not_zero(profiles.sum(-1))
    goal = mean.detach()
    center, slope = goal, torch.ones_like(goal)
    for _ in range(NEWTON_STEPS):
        expected, slope = _truncated_mean(center, window, sigma=sigma)
        center = center + (goal - expected) / slope
        center = center.minimum(window.high_xy).maximum(window.low_xy)
    return window.peak_xy + center + (mean - goal) / slope  # the last term is 0 with a gradient


def _truncated_mean(
    center: Float[Tensor, "*b 2"], window: _Window, *, sigma: float
) -> tuple[Float[Tensor, "*b 2"], Float[Tensor, "*b 2"]]:
    """Return the mean of a Gaussian cut off at the map's edges, and its slope in ``center``.

    The slope is variance / sigma^2, 1 for a whole Gaussian; it is kept from 0 so that steps and
    gradients stay bounded.
    """
    weights = _truncated_gaussian(center, window, sigma=sigma)
    mean = (weights * window.offsets).sum(-1)
    variance = (weights * (window.offsets - mean[..., None]).square()).sum(-1)
    return mean, (variance / sigma**2).clamp(min=SMALLEST_SLOPE)


def _truncated_gaussian(
    center: Float[Tensor, "*b 2"], window: _Window, *, sigma: float
) -> Float[Tensor, "*b 2 d"]:
    """Return the profiles of a Gaussian on the pixels the window and the map share, of sum 1."""
    distances = window.offsets - center[..., None]
    weights = (-distances.square() / (2 * sigma**2)).exp() * window.inside
    return weights / _not_zero(weights.sum(-1, keepdim=True))


def _bump(center: Float[Tensor, "*b 1"], *, size: int, sigma: float) -> Float[Tensor, "*b size"]:
    pixels = torch.arange(size, device=center.device, dtype=center.dtype)
    bump = (-(pixels - center).square() / (2 * sigma**2)).exp()
    return bump / bump.sum(-1, keepdim=True)


def _inside(points: Float[Tensor, "*b 2"], hw: Sequence[int]) -> Bool[Tensor, "*b"]:
    """Return which points lie in a picture of that height and width; NaN does not."""
    x, y = points.unbind(-1)
    return (x >= -0.5) & (x <= hw[1] - 0.5) & (y >= -0.5) & (y <= hw[0] - 0.5)


def _not_zero(values: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    return values.clamp(min=SMALLEST_MASS)
