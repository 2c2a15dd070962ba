"""The temporal loss: an animal's points do not jump from one frame to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.registry import LOSSES
from lightning_pose.contracts.settings import setting
from lightning_pose.losses.base import Loss, LossBasis, UnsupervisedParams
from lightning_pose.losses.terms import is_sure, length, mean_where
from lightning_pose.ops.arithmetic import full_precision


@dataclass(frozen=True, kw_only=True)
class TemporalParams(UnsupervisedParams):
    """Settings of the temporal loss."""

    epsilon: float | list[float] = setting(
        20.0,
        "Movement between two frames that costs nothing, in pixels of the original images: one "
        "number, or one for each keypoint.",
        minimum=0,
    )
    prob_threshold: float = setting(
        0.05,
        "A pair of frames does not count if the confidence is lower in either.",
        minimum=0,
        maximum=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(not math.isfinite(value) or value < 0 for value in self.epsilons):
            raise ConfigError(
                f"epsilon of the loss temporal must be pixels, 0 or more, got {self.epsilon}."
            )

    @property
    def epsilons(self) -> list[float]:
        """Return epsilon as a list: one value for all keypoints, or one for each."""
        return self.epsilon if isinstance(self.epsilon, list) else [self.epsilon]


def temporal_loss(
    keypoints_img: Float[Tensor, "t k 2"],
    confidences: Float[Tensor, "t k"],
    *,
    epsilon: Float[Tensor, " #k"],
    prob_threshold: float,
) -> Float[Tensor, ""]:
    """Return by how much keypoints move more than epsilon between neighbouring frames, in pixels.

    The mean over frames t and keypoints k, where both confidences reach the threshold, of::

        relu(|y[t + 1, k] - y[t, k]| - epsilon[k])

    It is 0, with a gradient, if no pair of frames counts.

    Args:
        keypoints_img: consecutive frames, pixels of the original images.
        confidences: 0..1; NaN = unknown, counts as sure.
        epsilon: pixels; of one value or one a keypoint.
        prob_threshold: lowest confidence that counts.

    Source:
        Biderman, Whiteway et al., Lightning Pose, Nature Methods 2024: temporal difference loss.

    Example:
        >>> points = torch.tensor([[[0.0, 0.0]], [[3.0, 4.0]], [[3.0, 4.0]]])
        >>> sure = torch.ones(3, 1)
        >>> temporal_loss(points, sure, epsilon=torch.tensor([1.0]), prob_threshold=0.05)
        tensor(2.)
    """
    moved = length(full_precision(keypoints_img).diff(dim=0))
    sure = is_sure(confidences, threshold=prob_threshold)
    return mean_where(torch.relu(moved - epsilon), sure[1:] & sure[:-1])


@LOSSES.register("temporal", params=TemporalParams)
class TemporalLoss(Loss):
    """Movement between neighbouring frames beyond epsilon, in pixels of the original images."""

    replayable = True

    epsilon: Tensor

    def __init__(self, params: TemporalParams, *, basis: LossBasis | None = None) -> None:
        super().__init__(params, basis=basis)
        self.prob_threshold = params.prob_threshold
        self.register_buffer("epsilon", torch.tensor(params.epsilons), persistent=False)

    def fit(self, keypoints_img: Float[Tensor, "n k 2"]) -> None:
        """Learn nothing, but check that there is an epsilon for each keypoint.

        Raises:
            ConfigError: there are more or fewer.
        """
        keypoints, given = keypoints_img.shape[1], len(self.epsilon)
        if given not in (1, keypoints, keypoints / self.basis.num_views):
            raise ConfigError(
                f"losses.temporal.epsilon has {given} values, but there are {keypoints} "
                "keypoints. Give one number for all of them, or one for each."
            )

    def forward(
        self, *, keypoints_pred: Float[Tensor, "t k 2"], confidences: Float[Tensor, "t k"]
    ) -> Float[Tensor, ""]:
        """Return :func:`temporal_loss`; values of epsilon for one view hold for each."""
        epsilon = self.epsilon
        if len(epsilon) > 1:
            epsilon = epsilon.repeat(keypoints_pred.shape[1] // len(epsilon))
        return temporal_loss(
            keypoints_pred, confidences, epsilon=epsilon, prob_threshold=self.prob_threshold
        )
