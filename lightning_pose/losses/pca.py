"""Pose losses: predictions lie near the subspace that labelled poses span.

One pose is a set of points, flattened to d numbers in pixels of the original images. Its loss is
the distance of each point from where the nearest pose of the subspace has it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lightning_pose.contracts.errors import ConfigError, ModelError
from lightning_pose.contracts.settings import setting
from lightning_pose.losses.base import Loss, LossBasis, UnsupervisedParams
from lightning_pose.losses.terms import length, mean_or_zero
from lightning_pose.ops.arithmetic import full_precision
from lightning_pose.ops.pca import PoseSubspace

EPSILON_QUANTILE = 0.99


@dataclass(frozen=True, kw_only=True)
class PCAParams(UnsupervisedParams):
    """Settings that the pose losses share."""

    components_to_keep: int | float = setting(
        3,
        "Directions in which poses may vary: a whole number counts them, a number below 1 is the "
        "share of the variance they explain.",
        above=0,
    )
    epsilon: float | None = setting(
        None,
        "Distance that costs nothing, in pixels of the original images; null: the 99th "
        "percentile of the training labels' own distances.",
        minimum=0,
    )
    doubt_power: float = setting(
        0.0,
        "Points pay by their doubt, 1 - confidence, to this power: above 0 the less sure ones are "
        "moved towards the surer ones; 0: all alike.",
        minimum=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        keep = self.components_to_keep
        if keep <= 0 or (isinstance(keep, float) and keep >= 1):
            raise ConfigError(
                f"components_to_keep is {keep}; it must be a whole number, 1 or more, or a share "
                "of the variance between 0 and 1."
            )
        if self.epsilon is not None and not (math.isfinite(self.epsilon) and self.epsilon >= 0):
            raise ConfigError(f"epsilon must be pixels, 0 or more, or null, got {self.epsilon}.")


def chosen_points(
    keypoints: Float[Tensor, "t k 2"], columns: Int[Tensor, "g p"]
) -> Float[Tensor, "t g p 2"]:
    """Return for each group the keypoints of its columns.

    The gradient is a sum in fixed order, unlike that of indexing on a GPU.

    Example:
        >>> points = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
        >>> chosen_points(points, torch.tensor([[1]]))
        tensor([[[[3., 4.]]]])
    """
    numbers = torch.arange(keypoints.shape[1], device=keypoints.device)
    chosen = (columns[..., None] == numbers).to(keypoints.dtype)
    return (chosen[..., None] * keypoints[:, None, None]).sum(dim=3)


def distance_from_subspace(
    poses: Float[Tensor, "t g p 2"],
    mean: Float[Tensor, "s d"],
    components: Float[Tensor, "s c d"],
) -> Float[Tensor, "t g p"]:
    """Return how far each point is from where the nearest pose of the subspace has it.

    With a pose as a vector x of d = 2p numbers, and orthonormal rows C::

        | (x - m) - C' C (x - m) |    for each point, over its two coordinates

    Products are summed without matrix units, whose 10 bits would round pixels.

    Args:
        poses: g groups of p points; no NaN.
        mean: m, one for all groups (s = 1) or one a group (s = g).
        components: C, likewise; rows of zeros do not count.

    Source:
        Biderman, Whiteway et al., Lightning Pose, Nature Methods 2024: pose PCA and multi-view
        PCA losses.

    Example:
        >>> flat = torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]])
        >>> poses = torch.tensor([[[[5.0, 2.0], [7.0, -3.0]]]])
        >>> distance_from_subspace(poses, torch.zeros(1, 4), flat)
        tensor([[[2., 3.]]])
    """
    away = full_precision(poses).flatten(2) - mean
    scores = (away[..., None, :] * components).sum(dim=-1)
    rest = away - (scores[..., None] * components).sum(dim=-2)
    return length(rest.reshape(poses.shape))


def moved_by_doubt(
    points: Float[Tensor, "t g p 2"], confidences: Float[Tensor, "t g p"], *, power: float
) -> Float[Tensor, "t g p 2"]:
    """Return the points, with gradients shared out by doubt^power within each group.

    If two views disagree on a body part, or a few points do not go with the rest, somebody is
    wrong, more likely the less sure. The shares of a group have the mean 1.

    Args:
        points: pixels.
        confidences: 0..1; doubt is 1 - confidence. NaN = unknown, counts as 0.
        power: 0 shares equally.
    """
    doubt = (1 - confidences.detach().float().nan_to_num(0.0)).clamp(0.001, 1.0)
    share = (doubt / doubt.amax(dim=-1, keepdim=True)) ** power  # the largest cannot underflow
    share = (share / share.mean(dim=-1, keepdim=True))[..., None]
    return points.detach() + share * (points - points.detach())


class PCALoss(Loss):
    """Distance of points from the subspace of labelled poses, beyond epsilon, in pixels.

    The mean over frames t, groups g and points p of::

        relu(distance[t, g, p] - epsilon[g])

    What it learns in ``fit`` lies in buffers.

    Attributes:
        columns: keypoints of each group; a group is one pose.
        mean, components: of one subspace, or of one a group (:func:`distance_from_subspace`).
        epsilon: pixels, for each subspace.
    """

    needs_one_image_size = True

    columns: Tensor
    mean: Tensor
    components: Tensor
    epsilon: Tensor

    def __init__(self, params: PCAParams, *, basis: LossBasis | None = None) -> None:
        super().__init__(params, basis=basis)
        self.components_to_keep = params.components_to_keep
        self.given_epsilon = params.epsilon
        self.doubt_power = params.doubt_power
        self.register_buffer("columns", torch.zeros(0, 0, dtype=torch.long))
        self.register_buffer("mean", torch.zeros(0, 0))
        self.register_buffer("components", torch.zeros(0, 0, 0))
        self.register_buffer("epsilon", torch.zeros(0))

    @abstractmethod
    def fit(self, keypoints_img: Float[Tensor, "n k 2"]) -> None:
        """Learn the subspaces, and hand them to :meth:`keep_learnt`."""

    @abstractmethod
    def poses(self, points_img: Float[Tensor, "t g p 2"]) -> Float[Tensor, "t g p 2"]:
        """Return the poses that are compared, from the points of each group."""

    def keep_learnt(
        self, columns: Int[Tensor, "g p"], learnt: Sequence[tuple[PoseSubspace, float]]
    ) -> None:
        """Put what was learnt, subspaces with their epsilons, into the buffers."""
        place = self.mean.device
        self.columns = columns.to(place)
        self.mean = torch.stack([subspace.mean for subspace, _ in learnt]).to(place)
        components = [subspace.components for subspace, _ in learnt]
        self.components = pad_sequence(components, batch_first=True).to(place)
        self.epsilon = torch.tensor([epsilon for _, epsilon in learnt]).to(place)

    def epsilon_of(self, poses: Float[Tensor, "n p 2"], subspace: PoseSubspace) -> float:
        """Return the epsilon that is set, else the 99th percentile of the labels' distances.

        Args:
            poses: of training labels; those with a NaN are left out.
            subspace: that they were learnt from.
        """
        if self.given_epsilon is not None:
            return self.given_epsilon
        complete = poses[poses.isfinite().all(dim=-1).all(dim=-1)]
        distance = distance_from_subspace(
            complete[:, None], subspace.mean[None], subspace.components[None]
        )
        return float(distance.flatten().quantile(EPSILON_QUANTILE))

    def forward(
        self,
        *,
        keypoints_pred: Float[Tensor, "t k 2"],
        confidences: Float[Tensor, "t k"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the mean distance beyond epsilon.

        Args:
            keypoints_pred: pixels of the original images, where the loss was fitted; no NaN.
            confidences: 0..1, whose doubts share out the gradient; NaN and None = all alike.

        Raises:
            ModelError: nothing was learnt yet.
        """
        if not len(self.mean):
            raise ModelError(
                f"{type(self).__name__} has not learnt from labels yet: call "
                "fit(keypoints_img) before training, or load what was learnt."
            )
        points = chosen_points(full_precision(keypoints_pred), self.columns)
        if self.doubt_power and confidences is not None:
            points = moved_by_doubt(points, confidences[:, self.columns], power=self.doubt_power)
        distance = distance_from_subspace(self.poses(points), self.mean, self.components)
        return mean_or_zero(torch.relu(distance - self.epsilon[:, None]))


def check_columns(columns: Sequence[int], *, keypoints: int, key: str) -> None:
    """Raise ConfigError if a column is not among the keypoints; ``key`` is named."""
    wrong = [str(column) for column in columns if not 0 <= column < keypoints]
    if wrong:
        raise ConfigError(
            f"{key} has {', '.join(wrong)}, but there are {keypoints} keypoints, counted from 0."
        )
