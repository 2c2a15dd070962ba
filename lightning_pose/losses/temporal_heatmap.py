"""Temporal losses on whole heatmaps: what is seen in one frame is near to what the next shows.

Unlike the temporal loss they see every mode of a map, and movement that is not a jump costs too.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.registry import LOSSES
from lightning_pose.losses.base import Loss, UnsupervisedParams
from lightning_pose.losses.heatmap import kl_divergence, squared_difference
from lightning_pose.losses.terms import mean_or_zero


def temporal_heatmap_mse(heatmaps: Float[Tensor, "t k h w"]) -> Float[Tensor, ""]:
    """Return the mean over t and k of the sum over pixels of (h[t + 1, k] - h[t, k])^2.

    It is 0, with a gradient, for a single frame.

    Source:
        The temporal difference of Biderman, Whiteway et al., Nature Methods 2024, on maps.

    Example:
        >>> import torch
        >>> temporal_heatmap_mse(torch.tensor([[[[1.0, 0.0]]], [[[0.0, 1.0]]]]))
        tensor(2.)
    """
    return mean_or_zero(squared_difference(heatmaps[:-1], heatmaps[1:]))


def temporal_heatmap_kl(heatmaps: Float[Tensor, "t k h w"]) -> Float[Tensor, ""]:
    """Return the mean over t and k of KL(h[t, k] || h[t + 1, k]), each map shifted by 1e-10.

    It is 0, with a gradient, for a single frame. Both maps of a pair are moved by it.

    Source:
        The temporal difference of Biderman, Whiteway et al., Nature Methods 2024, on maps.

    Example:
        >>> import torch
        >>> temporal_heatmap_kl(torch.tensor([[[[0.5, 0.5]]], [[[0.25, 0.75]]]]))
        tensor(0.1438)
    """
    return mean_or_zero(kl_divergence(heatmaps[:-1], heatmaps[1:]))


@LOSSES.register("temporal_heatmap_mse", params=UnsupervisedParams)
class TemporalHeatmapMSELoss(Loss):
    """Squared difference between the heatmaps of neighbouring frames."""

    replayable = True

    def forward(self, *, heatmaps_pred: Float[Tensor, "t k h w"]) -> Float[Tensor, ""]:
        """Return :func:`temporal_heatmap_mse`."""
        return temporal_heatmap_mse(heatmaps_pred)


@LOSSES.register("temporal_heatmap_kl", params=UnsupervisedParams)
class TemporalHeatmapKLLoss(Loss):
    """Kullback-Leibler divergence of each frame's heatmap from that of the frame before."""

    replayable = True

    def forward(self, *, heatmaps_pred: Float[Tensor, "t k h w"]) -> Float[Tensor, ""]:
        """Return :func:`temporal_heatmap_kl`."""
        return temporal_heatmap_kl(heatmaps_pred)
