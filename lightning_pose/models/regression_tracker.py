"""The regression tracker: coordinates straight from the pooled features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.batches import LabeledBatch, VideoBatch
from lightning_pose.contracts.loss_inputs import LabeledLossInputs
from lightning_pose.contracts.registry import TRACKERS
from lightning_pose.models.base import BaseSupervisedTracker, TrackerParts, to_image
from lightning_pose.models.heads.regression import RegressionHead
from lightning_pose.models.twins import SemiSupervisedByPrediction


@dataclass(frozen=True, kw_only=True)
class RegressionParams:
    """Settings of the regression tracker: none."""


@TRACKERS.register("regression", params=RegressionParams)
class RegressionTracker(BaseSupervisedTracker):
    """Predicts coordinates from one frame; its confidence is unknown (NaN)."""

    replayable = True

    def __init__(self, parts: TrackerParts) -> None:
        super().__init__(parts)
        self.head = RegressionHead(
            in_channels=parts.backbone.channels,  # pyright: ignore
            num_keypoints=self.spec.num_keypoints,
        )

    @classmethod
    def supervised_loss(cls, *, heatmap_loss_type: str = "mse") -> str:
        """Return the loss on coordinates."""
        return "regression"

    def predict_keypoints(self, batch: LabeledBatch | VideoBatch) -> Float[Tensor, "n k 2"]:
        """Return keypoints in network pixels, those of all views in a row."""
        features = self.get_representations(batch).squeeze(2)
        fractions = self.head(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        return fractions.flatten(1, 2) * self.net_size - 0.5  # pyright: ignore

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LabeledLossInputs:
        """Return predicted and labelled coordinates."""
        keypoints_net = self.predict_keypoints(batch)
        return self.keypoint_inputs(batch, keypoints_net, _unknown(keypoints_net))

    def predict_batch(
        self, batch: LabeledBatch | VideoBatch
    ) -> tuple[Float[Tensor, "n k 2"], Float[Tensor, "n k"]]:
        """Return keypoints in original image pixels, and NaN for their confidences."""
        keypoints_net = self.predict_keypoints(batch)
        return to_image(keypoints_net, batch.net_to_image), _unknown(keypoints_net)


class SemiSupervisedRegressionTracker(SemiSupervisedByPrediction, RegressionTracker):
    """A regression tracker that learns from unlabelled video too; its confidence is unknown."""

    replayable = True


def _unknown(keypoints: Float[Tensor, "n k 2"]) -> Float[Tensor, "n k"]:
    return torch.full_like(keypoints[..., 0], torch.nan)
