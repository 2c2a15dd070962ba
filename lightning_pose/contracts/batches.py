"""Batches: what a network is fed, with the affine that leads back to the original pixels.

Axis words: b batch, t time, v view, k keypoint. View and time axes are always there, size 1 when
unused. Points are (x, y); pixel centres are integers. ``*_net`` is in network pixels, ``*_img``
in original ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TypedDict, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """What a tracker needs from the data room.

    Attributes:
        context: how many neighbouring frames make one item (1, or 5 for context models).
        height, width: network input in pixels.
        mean, std: normalisation of RGB in 0..1, as the backbone states it.
    """

    context: int = 1
    height: int = 256
    width: int = 256
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def halo(self) -> int:
        """Return how many frames before and after a frame are needed to predict it."""
        return (self.context - 1) // 2


# Not typing.Self: the shape checker wraps methods one by one, where Self has no class to mean.
BatchT = TypeVar("BatchT", bound="Batch")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Tensors that travel together."""

    def to(self: BatchT, device: torch.device | str, *, non_blocking: bool = False) -> BatchT:
        """Return the batch with every tensor on ``device``."""
        return self.with_tensors(x.to(device, non_blocking=non_blocking) for x in self.tensors())

    def tensors(self) -> list[Tensor]:
        """Return the tensors, in the order of the fields."""
        values = [getattr(self, f.name) for f in fields(self)]
        return [value for value in values if isinstance(value, Tensor)]

    def with_tensors(self: BatchT, tensors: Iterator[Tensor]) -> BatchT:
        """Return a batch like this one with the next of ``tensors`` in the places of its own."""
        names = [f.name for f in fields(self) if isinstance(getattr(self, f.name), Tensor)]
        return replace(self, **{name: next(tensors) for name in names})


@dataclass(frozen=True, kw_only=True)
class LabeledBatch(Batch):
    """Labelled frames with their neighbours; the centre frame of the time axis is labelled.

    Attributes:
        images: normalised RGB.
        keypoints_net: where the labels are in the network's input; NaN = not labelled.
            Augmentation may move a labelled point outside the picture: it keeps its coordinates,
            which then lie outside.
        net_to_image: maps network pixels to pixels of the original image.
        row_ids: row of the label table each item came from.
    """

    images: Float[Tensor, "b v t 3 height width"]
    keypoints_net: Float[Tensor, "b v k 2"]
    net_to_image: Float[Tensor, "b v 2 3"]
    row_ids: Int[Tensor, " b"]


@dataclass(frozen=True, kw_only=True)
class VideoBatch(Batch):
    """Consecutive frames of a video.

    The first and last ``halo`` frames give context only: they are not predicted here.
    ``frame_ids`` are the 0-based numbers of the n = t - 2 * halo frames in between.
    """

    frames: Float[Tensor, "t v 3 height width"]
    net_to_image: Float[Tensor, "n v 2 3"]
    frame_ids: Int[Tensor, " n"]
    halo: int = 0


class PairedBatch(TypedDict):
    """Labelled and unlabelled frames of one training step."""

    labeled: LabeledBatch
    unlabeled: VideoBatch
