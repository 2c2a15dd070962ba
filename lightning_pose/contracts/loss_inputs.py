"""What trackers hand to losses, under the key names every loss may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypedDict, runtime_checkable

from jaxtyping import Float
from torch import Tensor


class LabeledLossInputs(TypedDict, total=False):
    """Tensors of a labelled batch; keypoints in network pixels, ``*_img`` in original ones.

    A tracker fills the keys it can; the loss factory checks that they are the ones the losses
    need. Two-head trackers stack heads along the batch axis of every entry, never along time.
    """

    heatmaps_targ: Float[Tensor, "b k h w"]
    heatmaps_pred: Float[Tensor, "b k h w"]
    keypoints_targ: Float[Tensor, "b k 2"]
    keypoints_pred: Float[Tensor, "b k 2"]
    keypoints_targ_img: Float[Tensor, "b k 2"]
    keypoints_pred_img: Float[Tensor, "b k 2"]
    confidences: Float[Tensor, "b k"]
    net_size: Float[Tensor, " 2"]


class UnlabeledLossInputs(TypedDict, total=False):
    """Tensors of consecutive unlabelled frames; keypoints in original image pixels."""

    heatmaps_pred: Float[Tensor, "t k h w"]
    keypoints_pred: Float[Tensor, "t k 2"]
    confidences: Float[Tensor, "t k"]


@dataclass(frozen=True)
class LossTerm:
    """One loss of one batch: its name, its raw value, and weight times value."""

    name: str
    raw: Tensor
    weighted: Tensor


class StepTerms(NamedTuple):
    """All losses of one training step: of labelled frames, and of unlabelled video."""

    labeled: list[LossTerm]
    video: list[LossTerm]


@runtime_checkable
class LossSum(Protocol):
    """What a tracker asks of a loss factory: the named terms of one batch, to be added up."""

    def __call__(self, inputs: LabeledLossInputs | UnlabeledLossInputs) -> list[LossTerm]:
        """Return every term; one with nothing to say (no labels) is 0 and keeps its gradient."""
        ...
