"""The single-view pose loss: all points of an animal together form a plausible pose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.registry import LOSSES
from lightning_pose.contracts.settings import setting
from lightning_pose.losses.base import LossBasis
from lightning_pose.losses.pca import PCALoss, PCAParams, check_columns
from lightning_pose.ops.pca import PoseSubspace, fit_subspace

Poses = Float[Tensor, "*b p 2"]
Centers = Float[Tensor, "*b 1 2"]


@dataclass(frozen=True, kw_only=True)
class PCASingleviewParams(PCAParams):
    """Settings of the single-view pose loss."""

    components_to_keep: int | float = setting(
        0.99,
        "Directions in which poses may vary: a whole number counts them, a number below 1 is the "
        "share of the variance they explain.",
        above=0,
    )
    centering: Literal["mean", "median"] | None = setting(
        None, "What is taken off each pose first, so that its place does not count; null: nothing."
    )


def mean_point(poses: Poses) -> Centers:
    """Return the mean of the points of each pose.

    Example:
        >>> mean_point(torch.tensor([[0.0, 0.0], [1.0, 4.0], [5.0, 2.0]]))
        tensor([[2., 2.]])
    """
    return poses.mean(dim=-2, keepdim=True)


def median_point(poses: Poses) -> Centers:
    """Return the median of the points of each pose, coordinate by coordinate.

    For an even number of points it is the mean of the middle two. The gradient goes to the middle
    points and is a sum in fixed order, unlike that of ``torch.median`` on a GPU.

    Example:
        >>> median_point(torch.tensor([[0.0, 0.0], [1.0, 4.0], [5.0, 2.0]]))
        tensor([[1., 2.]])
    """
    number = poses.shape[-2]
    order = torch.arange(number, device=poses.device)
    values = poses.detach().transpose(-1, -2)
    one, other = values[..., :, None], values[..., None, :]
    before = (other < one) | ((other == one) & (order < order[:, None]))
    rank = before.sum(dim=-1)
    middle = (rank == (number - 1) // 2).to(poses.dtype) + (rank == number // 2).to(poses.dtype)
    return (poses * middle.transpose(-1, -2) / 2).sum(dim=-2, keepdim=True)


CENTERS: dict[str, Callable[[Poses], Centers]] = {"mean": mean_point, "median": median_point}


@LOSSES.register("pca_singleview", params=PCASingleviewParams)
class PCASingleviewLoss(PCALoss):
    """Distance of points from the nearest pose of the labelled kind, beyond epsilon, in pixels.

    Several cameras have a subspace each: an animal looks different to each of them.
    """

    replayable = True

    def __init__(self, params: PCASingleviewParams, *, basis: LossBasis | None = None) -> None:
        super().__init__(params, basis=basis)
        self.center = CENTERS[params.centering] if params.centering is not None else None

    def fit(self, keypoints_img: Float[Tensor, "n k 2"]) -> None:
        """Learn the subspace of each view.

        Args:
            keypoints_img: training labels in image pixels, views side by side; NaN = missing.

        Raises:
            ConfigError: a chosen column is not among the keypoints.
            DataError: fewer than 2 P frames have all P chosen points labelled, with both numbers;
                or all components would be kept.
        """
        views = self.basis.num_views
        in_view = keypoints_img.shape[1] // views
        chosen = self.basis.singleview_columns
        own = list(range(in_view) if chosen is None else chosen)
        check_columns(own, keypoints=in_view, key="data.columns_for_singleview_pca")
        columns = torch.tensor([[view * in_view + c for c in own] for view in range(views)])
        labels = self.poses(keypoints_img.detach().cpu()[:, columns])
        subspaces = [self._subspace(labels[:, view], view) for view in range(views)]
        epsilons = [self.epsilon_of(labels[:, v], subspaces[v]) for v in range(views)]
        self.keep_learnt(columns, list(zip(subspaces, epsilons, strict=True)))

    def poses(self, points_img: Float[Tensor, "t g p 2"]) -> Float[Tensor, "t g p 2"]:
        """Return the points, less the centre of each pose if that is asked for."""
        return points_img if self.center is None else points_img - self.center(points_img)

    def _takes_off_mean(self, points: int) -> bool:
        """Tell whether centred poses have two directions less; the median of two is their mean."""
        return self.center is mean_point or (self.center is not None and points <= 2)

    def _subspace(self, labels: Float[Tensor, "n p 2"], view: int) -> PoseSubspace:
        points = labels.shape[1]
        where = f" in view {view + 1}" if self.basis.num_views > 1 else ""
        noun = "keypoint" if points == 1 else "keypoints"
        what = f"The loss pca_singleview of {points} {noun}{where}"
        subspace = fit_subspace(
            labels.flatten(1), keep=self.components_to_keep, min_rows=2 * points, what=what
        )
        free = 2 * points - (2 if self._takes_off_mean(points) else 0)
        if len(subspace.components) >= free:
            raise DataError(
                f"{what} would keep all {free} components, and every pose would be right. Keep "
                "fewer components, or choose more keypoints."
            )
        return subspace
