"""Learning from unlabelled video: one more term in the loss of any tracker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.batches import LabeledBatch, PairedBatch, VideoBatch
from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.loss_inputs import LossTerm, StepTerms, UnlabeledLossInputs

if TYPE_CHECKING:
    from lightning_pose.models.base import BaseSupervisedTracker as _MixedInto
else:
    _MixedInto = ABC  # the mixin itself is no tracker

KEYPOINT_VIDEO_INPUTS = ("keypoints_pred", "confidences")


class SemiSupervisedTrackerMixin(_MixedInto):
    """Makes a tracker learn from unlabelled video too; comes first among the bases.

    The total loss is the supervised one plus ``unsupervised_importance`` times the sum of the
    weighted losses on video. Labelled and unlabelled frames go through the backbone together
    (:meth:`BaseFeatureExtractor.one_pass` says why), through the heads one after the other.

    It has no fields and no constructor: losses and importance lie in every tracker. Write such a
    class only for a tracker of several heads or with heatmaps; any other has one made for it (see
    :func:`lightning_pose.models.twins.semi_supervised`).

    Attributes:
        video_inputs: keys that :meth:`get_loss_inputs_unlabeled` fills.
    """

    video_inputs: ClassVar[tuple[str, ...]] = KEYPOINT_VIDEO_INPUTS

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a class whose training would never come here."""
        super().__init_subclass__(**kwargs)
        owners = [base for base in cls.__mro__ if "training_terms" in vars(base)]
        if len(owners) > 1 and owners[-1] is SemiSupervisedTrackerMixin:
            raise ModelError(
                f"{cls.__name__} must name SemiSupervisedTrackerMixin before the tracker among "
                "its bases; after it, unlabelled video would be ignored."
            )

    @abstractmethod
    def get_loss_inputs_unlabeled(
        self, batch: VideoBatch
    ) -> UnlabeledLossInputs | Sequence[UnlabeledLossInputs]:
        """Return what the losses on video need, under the names in ``video_inputs``.

        With gradients, one row for each of the batch's ``frame_ids``, the keypoints of all views
        in a row, coordinates in original image pixels. A tracker of several heads returns a list,
        one entry a head: each pays for itself, and the mean counts.
        """

    @final
    def evaluate_unlabeled(self, batch: VideoBatch, stage: str) -> Float[Tensor, ""]:
        """Return the sum of the weighted losses of a sequence, and add it to the means."""
        count = len(batch.frame_ids)
        return self.total(self.video_terms(batch), stage=stage, kind="unsupervised", count=count)

    def video_terms(self, batch: VideoBatch) -> list[LossTerm]:
        """Return every loss of a sequence: of several heads the mean.

        Raises:
            ModelError: a loss has not learnt from labels yet, or misses something it needs.
        """
        if self.unsupervised_losses is None:
            raise ModelError(
                "This tracker was built without losses on unlabelled video. Give "
                "`unsupervised_losses` to build_tracker."
            )
        inputs = self.get_loss_inputs_unlabeled(batch)
        heads = [inputs] if isinstance(inputs, Mapping) else inputs
        return mean_over_heads([self.unsupervised_losses(head) for head in heads])

    def training_terms(self, batch: LabeledBatch | PairedBatch) -> StepTerms:
        """Return the losses of a training batch, of labelled frames alone or with video."""
        if isinstance(batch, LabeledBatch):
            return super().training_terms(batch)
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        with self.one_pass(labeled, unlabeled):
            return StepTerms(
                self.labeled_terms(self.get_loss_inputs_labeled(labeled)),
                self.video_terms(unlabeled),
            )

    def training_step(
        self, batch: LabeledBatch | PairedBatch, batch_idx: int = 0
    ) -> Float[Tensor, ""]:
        """Return the total loss of a training batch, and log how much video counts in it."""
        self.log_now({"total_unsupervised_importance": self.unsupervised_importance})
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: LabeledBatch | VideoBatch, batch_idx: int = 0) -> None:
        """Add a batch of labelled frames, or of video, to the epoch's means."""
        if isinstance(batch, VideoBatch):
            self.evaluate_unlabeled(batch, "val")
        else:
            super().validation_step(batch, batch_idx)


def mean_over_heads(terms: Sequence[list[LossTerm]]) -> list[LossTerm]:
    """Return each term's mean over the heads, given the terms of every head."""
    return [
        LossTerm(
            name=of_heads[0].name,
            raw=torch.stack([term.raw for term in of_heads]).mean(),
            weighted=torch.stack([term.weighted for term in of_heads]).mean(),
        )
        for of_heads in zip(*terms, strict=True)
    ]
