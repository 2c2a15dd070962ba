"""Supervised losses between a predicted and a target heatmap.

All three compare maps keypoint by keypoint and average over the keypoints that have a target.
A target map of zeros is no target; a uniform one is (it says "somewhere").
"""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from lightning_pose.contracts.registry import LOSSES
from lightning_pose.losses.base import Loss, SupervisedParams
from lightning_pose.losses.terms import mean_where
from lightning_pose.ops.arithmetic import full_precision

Heatmaps = Float[Tensor, "b k h w"]
PerKeypoint = Float[Tensor, "b k"]

SMALLEST_PROBABILITY = 1e-10  # keeps the logarithm finite where a map is zero


def squared_difference(targ: Heatmaps, pred: Heatmaps) -> PerKeypoint:
    """Return the sum over pixels of (pred - targ)^2.

    Example:
        >>> squared_difference(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5))
        tensor([[1.]])
    """
    return (full_precision(pred) - full_precision(targ)).square().sum(dim=(-2, -1))


def kl_divergence(targ: Heatmaps, pred: Heatmaps) -> PerKeypoint:
    """Return KL(targ || pred) = sum over pixels of t log(t / p), each map shifted by 1e-10.

    Example:
        >>> half = torch.tensor([[[[0.5, 0.5]]]])
        >>> kl_divergence(half, torch.tensor([[[[0.25, 0.75]]]]))  # 0.5 ln 2 + 0.5 ln (2/3)
        tensor([[0.1438]])
    """
    t = full_precision(targ) + SMALLEST_PROBABILITY
    p = full_precision(pred) + SMALLEST_PROBABILITY
    return (t * (t.log() - p.log())).sum(dim=(-2, -1))


def js_divergence(targ: Heatmaps, pred: Heatmaps) -> PerKeypoint:
    """Return the Jensen-Shannon divergence: the mean KL divergence to the mean map, at most ln 2.

    Example:
        >>> js_divergence(torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 1.0]]]]))
        tensor([[0.6931]])
    """
    middle = (full_precision(targ) + full_precision(pred)) / 2
    return (kl_divergence(targ, middle) + kl_divergence(pred, middle)) / 2


def mean_over_targets(values: PerKeypoint, targ: Heatmaps) -> Float[Tensor, ""]:
    """Return the mean over keypoints that have a target; 0, with a gradient, if none has."""
    return mean_where(values, has_target(targ))


def has_target(targ: Heatmaps) -> Bool[Tensor, "b k"]:
    """Return which keypoints have a target: those whose map is not all zeros."""
    return targ.amax(dim=(-2, -1)) > 0


@LOSSES.register("heatmap_mse", params=SupervisedParams)
class HeatmapMSELoss(Loss):
    """Squared difference between target and predicted heatmap."""

    replayable = True

    def forward(self, *, heatmaps_targ: Heatmaps, heatmaps_pred: Heatmaps) -> Float[Tensor, ""]:
        """Return the mean over targets of :func:`squared_difference`."""
        return mean_over_targets(squared_difference(heatmaps_targ, heatmaps_pred), heatmaps_targ)


@LOSSES.register("heatmap_kl", params=SupervisedParams)
class HeatmapKLLoss(Loss):
    """Kullback-Leibler divergence of the predicted from the target heatmap."""

    replayable = True

    def forward(self, *, heatmaps_targ: Heatmaps, heatmaps_pred: Heatmaps) -> Float[Tensor, ""]:
        """Return the mean over targets of :func:`kl_divergence`."""
        return mean_over_targets(kl_divergence(heatmaps_targ, heatmaps_pred), heatmaps_targ)


@LOSSES.register("heatmap_js", params=SupervisedParams)
class HeatmapJSLoss(Loss):
    """Jensen-Shannon divergence between target and predicted heatmap."""

    replayable = True

    def forward(self, *, heatmaps_targ: Heatmaps, heatmaps_pred: Heatmaps) -> Float[Tensor, ""]:
        """Return the mean over targets of :func:`js_divergence`."""
        return mean_over_targets(js_divergence(heatmaps_targ, heatmaps_pred), heatmaps_targ)
