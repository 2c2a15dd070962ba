"""The context tracker: five frames in, a static and a recurrent head, the more confident one wins.

After the multi-head convolutional recurrent network of Biderman, Whiteway et al., Nature Methods
2024 (Lightning Pose).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.batches import LabeledBatch, VideoBatch
from lightning_pose.contracts.loss_inputs import LabeledLossInputs, UnlabeledLossInputs
from lightning_pose.contracts.registry import TRACKERS
from lightning_pose.contracts.settings import setting
from lightning_pose.models.base import TrackerParts, to_image
from lightning_pose.models.feature_extractor import over_leading_axes
from lightning_pose.models.heads.heatmap import HeatmapHead
from lightning_pose.models.heads.mhcrnn import ContextHead
from lightning_pose.models.heatmap_tracker import (
    HEATMAP_VIDEO_INPUTS,
    BaseHeatmapTracker,
    HeatmapParams,
)
from lightning_pose.models.semi_supervised import SemiSupervisedTrackerMixin


@dataclass(frozen=True, kw_only=True)
class MHCRNNParams(HeatmapParams):
    """Settings of the context tracker."""

    recurrent_channels: int = setting(64, "Width of the recurrent state.", minimum=1)


@TRACKERS.register("heatmap_mhcrnn", params=MHCRNNParams)
class HeatmapTrackerMHCRNN(BaseHeatmapTracker):
    """Predicts a heatmap a keypoint from five frames."""

    replayable = True

    context = 5

    def __init__(self, parts: TrackerParts) -> None:
        super().__init__(parts)
        sizes: dict[str, int] = {
            "in_channels": parts.backbone.channels,  # pyright: ignore
            "stride": parts.backbone.stride,  # pyright: ignore
            "num_keypoints": self.spec.num_keypoints,
            "factor": self.spec.downsample_factor,
        }
        self.static_head = HeatmapHead(
            **sizes,
            hidden_channels=parts.params.hidden_channels,
        )
        self.context_head = ContextHead(
            **sizes,
            hidden_channels=parts.params.recurrent_channels,
        )

    def predict_heatmaps(
        self, batch: LabeledBatch | VideoBatch
    ) -> tuple[Float[Tensor, "n k h w"], Float[Tensor, "n k h w"]]:
        """Return the static and the context head's heatmaps; each frame is embedded once."""
        if isinstance(batch, LabeledBatch):
            shared = self.shared_features(batch)
            features = (
                self.extract(batch.images.movedim(2, 0))
                if shared is None
                else shared.movedim(2, 0)
            )
        else:
            features = self.features_of(batch)
        maps = over_leading_axes(self.static_head.shuffle, features)
        embedded = over_leading_axes(self.context_head.mix, maps)
        if isinstance(batch, LabeledBatch):
            window, centre = list(embedded), maps[self.data_spec.halo]
        else:
            n = len(maps) - 2 * self.data_spec.halo
            window = [embedded[first : first + n] for first in range(self.context)]
            centre = maps[self.data_spec.halo : self.data_spec.halo + n]
        static = over_leading_axes(partial(self.static_head, shuffled=True), centre)
        context = self.context_head([frames.flatten(0, 1) for frames in window])
        return static.flatten(1, 2), context.unflatten(0, static.shape[:2]).flatten(1, 2)

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LabeledLossInputs:
        """Return the inputs of both heads, one after the other along the batch axis."""
        return self.heatmap_inputs(batch, torch.cat(self.predict_heatmaps(batch)))

    def final_keypoints(
        self, keypoints: Float[Tensor, "m k 2"], confidences: Float[Tensor, "m k"]
    ) -> Float[Tensor, "b k 2"]:
        """Return, of the two heads, the more confident one's keypoints."""
        return more_confident(keypoints.chunk(2), confidences.chunk(2))[0]

    def predict_batch(
        self, batch: LabeledBatch | VideoBatch
    ) -> tuple[Float[Tensor, "n k 2"], Float[Tensor, "n k"]]:
        """Return keypoints in original image pixels and their confidences."""
        keypoints_net, confidence = self.read(torch.cat(self.predict_heatmaps(batch)))
        points, best = more_confident(keypoints_net.chunk(2), confidence.chunk(2))
        return to_image(points, batch.net_to_image), best


class SemiSupervisedHeatmapTrackerMHCRNN(SemiSupervisedTrackerMixin, HeatmapTrackerMHCRNN):
    """A context tracker that learns from unlabelled video too.

    The backbone sees each frame of the sequence once; windows are built on its features.
    """

    replayable = True

    video_inputs = HEATMAP_VIDEO_INPUTS

    def get_loss_inputs_unlabeled(self, batch: VideoBatch) -> list[UnlabeledLossInputs]:
        """Return heatmaps and coordinates of the static and of the context head."""
        return [self.video_heatmap_inputs(batch, maps) for maps in self.predict_heatmaps(batch)]


def more_confident(
    points: tuple[Float[Tensor, "n k 2"], ...], confidence: tuple[Float[Tensor, "n k"], ...]
) -> tuple[Float[Tensor, "n k 2"], Float[Tensor, "n k"]]:
    """Return, keypoint by keypoint, the more confident of two predictions; the first if equal."""
    second = confidence[1] > confidence[0]
    return (
        torch.where(second[..., None], points[1], points[0]),
        torch.where(second, confidence[1], confidence[0]),
    )
