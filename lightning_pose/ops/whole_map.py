"""Coordinates whose gradient reaches every mode of a heatmap."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def mean_place(
    heatmaps: Float[Tensor, "*b h w"], *, sharpness: float = 1.0
) -> Float[Tensor, "*b 2"]:
    """Return the mean of pixel places (x, y), weighted by the map to the power ``sharpness``.

    Args:
        heatmaps: non-negative; the scale does not matter.
        sharpness: above 1 small modes and the background count less, below 1 more.

    Example:
        >>> mean_place(torch.tensor([[[3.0, 0.0, 1.0]]]))
        tensor([[0.5000, 0.0000]])
    """
    weights = heatmaps.float().clamp(min=1e-12) ** sharpness
    weights = weights / weights.sum((-2, -1), keepdim=True)
    height, width = weights.shape[-2:]
    columns = torch.arange(width, device=weights.device, dtype=weights.dtype)
    rows = torch.arange(height, device=weights.device, dtype=weights.dtype)
    x = (weights.sum(-2) * columns).sum(-1)
    y = (weights.sum(-1) * rows).sum(-1)
    return torch.stack([x, y], -1)


def with_far_gradient(
    points: Float[Tensor, "*b 2"], heatmaps: Float[Tensor, "*b h w"], *, sharpness: float = 1.0
) -> Float[Tensor, "*b 2"]:
    """Return ``points`` with the gradient of :func:`mean_place` for their own.

    The place of the highest peak depends on the pixels around it only: its gradient can push the
    peak a little, but never give mass to another mode. The mean of the whole map is a poor
    estimate, but its gradient does: moving towards a place makes whatever lies there more likely.

    Args:
        points: in heatmap pixels.
        heatmaps: that the points were read off.
        sharpness: see :func:`mean_place`.
    """
    far = mean_place(heatmaps, sharpness=sharpness)
    return points.detach() + (far - far.detach())
