"""The supervised loss of trackers that predict coordinates directly."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lightning_pose.contracts.registry import LOSSES
from lightning_pose.losses.base import Loss, SupervisedParams
from lightning_pose.ops.processes import number_kept

Points = Float[Tensor, "b k 2"]


def mean_squared_distance(
    targ: Points, pred: Points, *, net_size: Float[Tensor, " 2"]
) -> Float[Tensor, ""]:
    """Return the mean of ((pred - targ) / net_size)^2 over the coordinates that are labelled.

    Args:
        targ: network pixels; NaN = not labelled. A point outside the picture (augmentation may
            push it there) is no target.
        pred: network pixels.
        net_size: width and height of the network's input in pixels.

    Example:
        >>> size = torch.tensor([10.0, 20.0])
        >>> pred = torch.tensor([[[1.0, 0.0]]])
        >>> mean_squared_distance(torch.zeros(1, 1, 2), pred, net_size=size)
        tensor(0.0050)
    """
    keep = inside(targ, net_size=net_size).unsqueeze(-1)
    size = net_size.to(torch.promote_types(pred.dtype, torch.float32))
    difference = torch.where(keep, pred - targ.nan_to_num(), 0) / size
    return difference.square().sum() / (2 * number_kept(keep))


def inside(points: Points, *, net_size: Float[Tensor, " 2"]) -> Bool[Tensor, "b k"]:
    """Return which points are labelled and lie in the picture; pixel centres are integers."""
    return ((points >= -0.5) & (points <= net_size - 0.5)).all(dim=-1)  # NaN compares false


@LOSSES.register("regression", params=SupervisedParams)
class RegressionLoss(Loss):
    """Squared distance between labels and predictions, in units of the picture's size."""

    replayable = True

    def forward(
        self, *, keypoints_targ: Points, keypoints_pred: Points, net_size: Float[Tensor, " 2"]
    ) -> Float[Tensor, ""]:
        """Return :func:`mean_squared_distance`."""
        return mean_squared_distance(keypoints_targ, keypoints_pred, net_size=net_size)
