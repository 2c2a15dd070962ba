"""What every tracker is: a feature extractor that learns from labelled frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_pose.contracts.batches import DataSpec, LabeledBatch, PairedBatch, VideoBatch
from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.loss_inputs import LabeledLossInputs, LossTerm, StepTerms
from lightning_pose.contracts.predictions import Prediction
from lightning_pose.models.feature_extractor import BaseFeatureExtractor
from lightning_pose.models.logged_losses import LoggedLosses
from lightning_pose.models.parts import TrackerParts
from lightning_pose.models.recent_losses import BrokenStep, RecentLosses
from lightning_pose.models.semi_supervised import SemiSupervisedTrackerMixin
from lightning_pose.models.step_graphs import StepGraphs
from lightning_pose.models.step_values import pixel_errors, to_image
from lightning_pose.ops.processes import counting_together

__all__ = [
    "BaseFeatureExtractor",
    "BaseSupervisedTracker",
    "BrokenStep",
    "SemiSupervisedTrackerMixin",
    "TrackerParts",
    "to_image",
]

KEYPOINT_INPUTS = (
    "keypoints_targ",
    "keypoints_pred",
    "keypoints_targ_img",
    "keypoints_pred_img",
    "confidences",
    "net_size",
)


class BaseSupervisedTracker(BaseFeatureExtractor, LoggedLosses, ABC):
    """A tracker that learns from labelled frames.

    A subclass makes its head in ``__init__`` and implements :meth:`get_loss_inputs_labeled` and
    :meth:`predict_batch`. Views are laid side by side along the keypoint axis: a batch of v views
    gives v * k keypoints.

    Attributes:
        context: how many neighbouring frames make one item; 1 or an odd number.
        loss_inputs: keys that :meth:`get_loss_inputs_labeled` fills.
        replayable: whether the losses of a training step may be recorded once and replayed: the
            class counts no calls, throws no dice in Python and asks no tensor for its value. A
            class says so for itself alone, not for those derived from it.
        unsupervised_importance: the factor of all losses on unlabelled video now.
    """

    context: ClassVar[int] = 1
    loss_inputs: ClassVar[tuple[str, ...]] = KEYPOINT_INPUTS
    replayable: ClassVar[bool] = False

    def __init__(self, parts: TrackerParts) -> None:
        spec, backbone = parts.spec, parts.backbone
        data_spec = DataSpec(
            context=self.context,
            height=spec.image_height,
            width=spec.image_width,
            mean=backbone.mean,  # pyright: ignore
            std=backbone.std,  # pyright: ignore
        )
        super().__init__(backbone=backbone, data_spec=data_spec)
        self.spec = spec
        self.losses = parts.losses
        self.unsupervised_losses = parts.unsupervised_losses
        self.unsupervised_importance = 1.0
        self._make_optimizer = parts.optimizer
        self._watch = RecentLosses()
        self._step_graphs = StepGraphs(self)
        size = torch.tensor([float(spec.image_width), float(spec.image_height)])
        self.register_buffer("net_size", size, persistent=False)

    @classmethod
    @abstractmethod
    def supervised_loss(cls, *, heatmap_loss_type: str = "mse") -> str:
        """Return the name of the loss on labels.

        Args:
            heatmap_loss_type: mse, kl or js, for trackers that predict heatmaps.
        """

    @abstractmethod
    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LabeledLossInputs:
        """Return what the losses need, under the names in ``loss_inputs``, with gradients.

        :meth:`keypoint_inputs` fills the coordinate entries.
        """

    @abstractmethod
    def predict_batch(
        self, batch: LabeledBatch | VideoBatch
    ) -> tuple[Float[Tensor, "n k 2"], Float[Tensor, "n k"]]:
        """Return keypoints in original image pixels and their confidences, on the device.

        One row for each labelled item or each of the batch's ``frame_ids``.
        """

    def predict_step(self, batch: LabeledBatch | VideoBatch, batch_idx: int = 0) -> Prediction:
        """Return :meth:`predict_batch` on the host, with frame numbers (label rows for images)."""
        xy_img, confidence = self.predict_batch(batch)
        ids = batch.row_ids if isinstance(batch, LabeledBatch) else batch.frame_ids
        return Prediction(
            xy_img=xy_img.detach().float().cpu().numpy(),
            confidence=confidence.detach().float().cpu().numpy(),
            frame_ids=ids.cpu().numpy(),
        )

    def keypoint_inputs(
        self,
        batch: LabeledBatch,
        keypoints_net: Float[Tensor, "m k 2"],
        confidences: Float[Tensor, "m k"],
    ) -> LabeledLossInputs:
        """Return the coordinate entries of the loss inputs.

        Args:
            batch: the batch of b items.
            keypoints_net: predictions in network pixels; m is a multiple of b, one block of b rows
                for each head of the tracker.
            confidences: of the predictions.
        """
        heads = len(keypoints_net) // len(batch.keypoints_net)
        targets = batch.keypoints_net.flatten(1, 2).repeat(heads, 1, 1)
        net_to_image = batch.net_to_image.repeat(heads, 1, 1, 1)
        return LabeledLossInputs(
            keypoints_targ=targets,
            keypoints_pred=keypoints_net,
            keypoints_targ_img=to_image(targets, net_to_image),
            keypoints_pred_img=to_image(keypoints_net, net_to_image),
            confidences=confidences,
            net_size=self.net_size,  # pyright: ignore
        )

    def wants(self, *keys: str) -> bool:
        """Tell whether any of these loss inputs is of use now.

        In training, inputs that no loss asks for may be left out to save time; in validation, the
        pixel error needs the coordinates.
        """
        needs: frozenset[str] | None = getattr(self.losses, "needs", None)
        return not self.training or needs is None or not needs.isdisjoint(keys)

    def final_keypoints(
        self, keypoints: Float[Tensor, "m k 2"], confidences: Float[Tensor, "m k"]
    ) -> Float[Tensor, "b k 2"]:
        """Return the keypoints this tracker would predict, from those of its loss inputs.

        A tracker of several heads overrides this: its loss inputs hold the heads' predictions one
        after the other, m = heads * b.
        """
        return keypoints

    def labeled_terms(self, inputs: LabeledLossInputs) -> list[LossTerm]:
        """Return every loss of labelled frames."""
        if self.losses is None:
            raise ModelError(
                "This tracker was built without losses, so it can only predict. Give `losses` to "
                "build_tracker to train or validate it."
            )
        return self.losses(inputs)

    def evaluate_labeled(self, batch: LabeledBatch, stage: str) -> Float[Tensor, ""]:
        """Return the supervised loss of a batch, and add it to the means of ``stage``."""
        inputs = self.get_loss_inputs_labeled(batch)
        terms = self.labeled_terms(inputs)
        self._add_pixel_error(batch, inputs, stage)
        return self.total(terms, stage=stage, kind="supervised", count=len(batch.row_ids))

    def training_terms(self, batch: LabeledBatch | PairedBatch) -> StepTerms:
        """Return the losses of a training batch; SemiSupervisedTrackerMixin adds those on video.

        Raises:
            ModelError: the batch holds video, and the tracker has no losses on it.
        """
        if not isinstance(batch, LabeledBatch):
            raise ModelError(
                "This tracker was built without losses on unlabelled video. Give "
                "`unsupervised_losses` to build_tracker."
            )
        return StepTerms(self.labeled_terms(self.get_loss_inputs_labeled(batch)), [])

    def training_step(
        self, batch: LabeledBatch | PairedBatch, batch_idx: int = 0
    ) -> Float[Tensor, ""]:
        """Return the loss of a training batch; a pair is for trackers that learn from video.

        It is the supervised loss plus ``unsupervised_importance`` times the losses on video. Where
        CUDA graphs are in use they are replayed from one, if tracker and losses allow it.
        """
        replayed = self._step_graphs.replay(batch) if self._replays_steps() else None
        with counting_together():
            terms = self.training_terms(batch) if replayed is None else replayed
        labeled = batch if isinstance(batch, LabeledBatch) else batch["labeled"]
        count = len(labeled.row_ids)
        loss = self.total(terms.labeled, stage="train", kind="supervised", count=count)
        if terms.video:
            on_video = self.total(terms.video, stage="train", kind="unsupervised", count=count)
            loss = loss + self.unsupervised_importance * on_video
        self.log_now({"total_loss": loss})
        self._watch.add(loss, labeled.row_ids, with_video=labeled is not batch)
        return loss

    def _replays_steps(self) -> bool:
        factories = [self.losses, self.unsupervised_losses]
        return (
            self.use_cuda_graphs
            and vars(type(self)).get("replayable", False)
            and all(
                getattr(losses, "replayable", False) for losses in factories if losses is not None
            )
        )

    def validation_step(self, batch: LabeledBatch, batch_idx: int = 0) -> None:
        """Add a batch to the epoch's validation loss and pixel error."""
        self.evaluate_labeled(batch, "val")

    def test_step(self, batch: LabeledBatch, batch_idx: int = 0) -> None:
        """Add a batch to the test loss and pixel error."""
        self.evaluate_labeled(batch, "test")

    def configure_optimizers(self) -> Any:
        """Return what the optimiser factory makes for this tracker."""
        if self._make_optimizer is None:
            raise ModelError(
                "This tracker was built without an optimizer. Give `optimizer` to build_tracker "
                "to train it."
            )
        return self._make_optimizer(self)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the recipe, so that the checkpoint can be loaded without anything else."""
        checkpoint["litpose"] = self.spec.to_json()

    @property
    def last_row_ids(self) -> Int[Tensor, " b"] | None:
        """Return the label rows of the last training batch."""
        return self._watch.last_row_ids

    def take_broken_step(self) -> BrokenStep | None:
        """Return the first step since the last call whose loss was not finite, if any.

        Waits for the device, so call it every so many steps (at most 256), not in each.
        """
        return self._watch.take_broken_step()

    def _add_pixel_error(self, batch: LabeledBatch, inputs: LabeledLossInputs, stage: str) -> None:
        points, confidences = inputs.get("keypoints_pred_img"), inputs.get("confidences")
        if points is None or confidences is None:
            raise ModelError(
                f"{type(self).__name__}.get_loss_inputs_labeled must return keypoints_pred_img "
                "and confidences in validation, for the pixel error; keypoint_inputs() makes them."
            )
        final = self.final_keypoints(points.detach(), confidences.detach())
        total, number = pixel_errors(batch, final, self.net_size)  # pyright: ignore
        self._means.add(f"{stage}_pixel_error", total, number)
