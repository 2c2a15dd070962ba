"""The heatmap tracker: one frame in, one heatmap a keypoint out."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.batches import LabeledBatch, VideoBatch
from lightning_pose.contracts.loss_inputs import LabeledLossInputs, UnlabeledLossInputs
from lightning_pose.contracts.registry import TRACKERS
from lightning_pose.contracts.settings import setting
from lightning_pose.models.base import (
    KEYPOINT_INPUTS,
    BaseSupervisedTracker,
    TrackerParts,
    to_image,
)
from lightning_pose.models.feature_extractor import over_leading_axes
from lightning_pose.models.heads.heatmap import HeatmapHead
from lightning_pose.models.semi_supervised import KEYPOINT_VIDEO_INPUTS, SemiSupervisedTrackerMixin
from lightning_pose.ops.heatmaps import heatmap_to_net, locate_peaks, render_heatmaps

HEATMAP_VIDEO_INPUTS = (*KEYPOINT_VIDEO_INPUTS, "heatmaps_pred")


@dataclass(frozen=True, kw_only=True)
class HeatmapParams:
    """Settings of trackers that predict heatmaps.

    The confidence power is such that, after 300 epochs on 72 frames of mirror-mouse-example, more
    than 0.8 of the points within 5 px of their labels are above 0.9, and less than a third of
    those off by more than 10 px (see docs/benchmarks.md).
    """

    sigma: float = setting(
        1.25, "Width of the target Gaussians, in heatmap pixels.", minimum=0.5, maximum=10
    )
    hidden_channels: int = setting(
        64, "Width of the convolution before the heatmaps; 0: none.", minimum=0
    )
    window_radius: int = setting(
        2, "Coordinates are read off so many heatmap pixels around the peak.", minimum=1
    )
    confidence_power: float = setting(
        0.6,
        "The confidence is the share of the heatmap under one ideal peak, to this power; below 1 "
        "makes it more generous.",
        above=0,
    )
    uniform_heatmaps_for_nan_keypoints: bool = setting(
        True, "The target of a missing label is a uniform heatmap; false: no loss for it."
    )


class BaseHeatmapTracker(BaseSupervisedTracker):
    """What trackers that predict heatmaps share: targets, and reading coordinates off maps."""

    loss_inputs = (*KEYPOINT_INPUTS, "heatmaps_targ", "heatmaps_pred")

    def __init__(self, parts: TrackerParts) -> None:
        super().__init__(parts)
        self.params: HeatmapParams = parts.params

    @classmethod
    def supervised_loss(cls, *, heatmap_loss_type: str = "mse") -> str:
        """Return the loss that compares heatmaps in that way."""
        return f"heatmap_{heatmap_loss_type}"

    def target_heatmaps(self, batch: LabeledBatch) -> Float[Tensor, "b k h w"]:
        """Return the heatmaps the labels stand for."""
        return render_heatmaps(
            batch.keypoints_net.flatten(1, 2),
            net_hw=(self.spec.image_height, self.spec.image_width),
            factor=self.spec.downsample_factor,
            sigma=self.params.sigma,
            uniform_for_missing=self.params.uniform_heatmaps_for_nan_keypoints,
        )

    def read(
        self, heatmaps: Float[Tensor, "n k h w"]
    ) -> tuple[Float[Tensor, "n k 2"], Float[Tensor, "n k"]]:
        """Return keypoints in network pixels and their confidences, differentiably."""
        points, confidence = locate_peaks(
            heatmaps, sigma=self.params.sigma, radius=self.params.window_radius
        )
        confidence = confidence**self.params.confidence_power
        return heatmap_to_net(points, factor=self.spec.downsample_factor), confidence

    def heatmap_inputs(
        self, batch: LabeledBatch, heatmaps: Float[Tensor, "m k h w"]
    ) -> LabeledLossInputs:
        """Return all loss inputs of b items; m is a multiple of b, one block a head."""
        inputs = LabeledLossInputs()
        if self.wants(*KEYPOINT_INPUTS):
            inputs = self.keypoint_inputs(batch, *self.read(heatmaps))
        targets = self.target_heatmaps(batch)
        inputs["heatmaps_pred"] = heatmaps
        inputs["heatmaps_targ"] = targets.repeat(len(heatmaps) // len(targets), 1, 1, 1)
        return inputs

    def video_heatmap_inputs(
        self, batch: VideoBatch, heatmaps: Float[Tensor, "n k h w"]
    ) -> UnlabeledLossInputs:
        """Return what losses may ask of one head's heatmaps of a video."""
        keypoints_net, confidences = self.read(heatmaps)
        return UnlabeledLossInputs(
            heatmaps_pred=heatmaps,
            keypoints_pred=to_image(keypoints_net, batch.net_to_image),
            confidences=confidences,
        )


@TRACKERS.register("heatmap", params=HeatmapParams)
class HeatmapTracker(BaseHeatmapTracker):
    """Predicts a heatmap a keypoint from one frame."""

    replayable = True

    def __init__(self, parts: TrackerParts) -> None:
        super().__init__(parts)
        self.head = HeatmapHead(
            in_channels=parts.backbone.channels,  # pyright: ignore
            stride=parts.backbone.stride,  # pyright: ignore
            num_keypoints=self.spec.num_keypoints,
            factor=self.spec.downsample_factor,
            hidden_channels=self.params.hidden_channels,
        )

    def predict_heatmaps(self, batch: LabeledBatch | VideoBatch) -> Float[Tensor, "n k h w"]:
        """Return a heatmap for each item and keypoint, the keypoints of all views in a row."""
        features = self.get_representations(batch).squeeze(2)
        return over_leading_axes(self.head, features).flatten(1, 2)

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LabeledLossInputs:
        """Return predicted and target heatmaps, and the coordinates read off the former."""
        return self.heatmap_inputs(batch, self.predict_heatmaps(batch))

    def predict_batch(
        self, batch: LabeledBatch | VideoBatch
    ) -> tuple[Float[Tensor, "n k 2"], Float[Tensor, "n k"]]:
        """Return keypoints in original image pixels and their confidences."""
        keypoints_net, confidence = self.read(self.predict_heatmaps(batch))
        return to_image(keypoints_net, batch.net_to_image), confidence


class SemiSupervisedHeatmapTracker(SemiSupervisedTrackerMixin, HeatmapTracker):
    """A heatmap tracker that learns from unlabelled video too."""

    replayable = True

    video_inputs = HEATMAP_VIDEO_INPUTS

    def get_loss_inputs_unlabeled(self, batch: VideoBatch) -> UnlabeledLossInputs:
        """Return predicted heatmaps and the coordinates read off them."""
        return self.video_heatmap_inputs(batch, self.predict_heatmaps(batch))
