"""The lower half of every tracker: frames in, feature maps out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import lightning.pytorch as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_pose.contracts.batches import DataSpec, LabeledBatch, VideoBatch
from lightning_pose.models.cuda_graphs import TrainingGraphs
from lightning_pose.ops.windows import sliding_windows, trim_halo

Extractor = TypeVar("Extractor", bound="BaseFeatureExtractor")


class BaseFeatureExtractor(pl.LightningModule):
    """A backbone, and how batches of every kind go through it.

    Args:
        backbone: a ``Backbone`` (see docs/add_a_backbone.md).
        data_spec: what the tracker needs from the data room.

    Attributes:
        backbone_is_frozen: whether :meth:`freeze_backbone` was called last.
        use_cuda_graphs: replay training passes as CUDA graphs. Not for several processes, nor for
            gradients accumulated over batches.
    """

    def __init__(self, *, backbone: nn.Module, data_spec: DataSpec) -> None:
        super().__init__()
        self.data_spec = data_spec
        self.backbone = backbone.to(memory_format=torch.channels_last)  # pyright: ignore
        self.backbone_is_frozen = False
        self.use_cuda_graphs = False
        self._graphs = TrainingGraphs(self.backbone, what="The backbone")
        self._shared: list[tuple[LabeledBatch | VideoBatch, Tensor]] = []

    def extract(
        self, images: Float[Tensor, "*n 3 height width"]
    ) -> Float[Tensor, "*n channels h w"]:
        """Return the feature map of each image; no gradient while the backbone is frozen."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.backbone_is_frozen):
            return over_leading_axes(self._backbone_pass, images)

    def _backbone_pass(
        self, images: Float[Tensor, "n 3 height width"]
    ) -> Float[Tensor, "n channels h w"]:
        maps = self._graphs.replay(images) if self.use_cuda_graphs else None
        return self.backbone(images) if maps is None else maps

    def frames_of(self, batch: LabeledBatch | VideoBatch) -> Float[Tensor, "*n v 3 height width"]:
        """Return the images (b v t) or frames (t v), with just the halo that this tracker needs.

        Raises:
            ModelError: the batch has too few neighbouring frames.
        """
        if isinstance(batch, LabeledBatch):
            return batch.images
        return trim_halo(batch.frames, given=batch.halo, wanted=self.data_spec.halo)

    def features_of(self, batch: LabeledBatch | VideoBatch) -> Float[Tensor, "*n v channels h w"]:
        """Return the feature map of each of :meth:`frames_of`."""
        shared = self.shared_features(batch)
        return self.extract(self.frames_of(batch)) if shared is None else shared

    def shared_features(
        self, batch: LabeledBatch | VideoBatch
    ) -> Float[Tensor, "*n v channels h w"] | None:
        """Return what :meth:`one_pass` made of the batch, None outside of it."""
        return next((maps for known, maps in self._shared if known is batch), None)

    @contextmanager
    def one_pass(self, *batches: LabeledBatch | VideoBatch) -> Iterator[None]:
        """Send all frames of several batches through the backbone at once.

        Within the context :meth:`features_of` and :meth:`get_representations` know the maps of
        these batches. A batch norm of the backbone then sees labelled and unlabelled frames
        together: what it normalises by in training is what it keeps for prediction, while in
        two passes it would keep an average of two statistics, none of which it ever used; and a
        sequence of nearly equal frames would be normalised by itself. One pass is also one CUDA
        graph, with one backward pass to write its gradients.

        Heads are no part of it: the one batch norm of a heatmap or context head still sees
        labelled and unlabelled frames apart, and keeps an average of their statistics.
        """
        frames = [self.frames_of(batch) for batch in batches]
        flat = [images.reshape(-1, *images.shape[-3:]) for images in frames]
        maps = self.extract(torch.cat(flat)).split([len(images) for images in flat])
        self._shared = [
            (batch, own.unflatten(0, images.shape[:-3]))
            for batch, own, images in zip(batches, maps, frames, strict=True)
        ]
        try:
            yield
        finally:
            self._shared = []

    def get_representations(
        self, batch: LabeledBatch | VideoBatch
    ) -> Float[Tensor, "n v context channels h w"]:
        """Return the feature maps of each item's frames.

        Images without neighbours, images with neighbours, and videos for either kind of tracker
        come out alike: one row an item, with ``data_spec.context`` maps each. Each frame of a
        video goes through the backbone once; windows are views of its maps.
        """
        maps = self.features_of(batch)
        if isinstance(batch, LabeledBatch):
            return maps
        return sliding_windows(maps, halo=self.data_spec.halo).movedim(1, 2)

    def freeze_backbone(self) -> None:
        """Stop training the backbone.

        It computes no gradient, and its batch norms use and keep the statistics they came with.
        """
        self.backbone_is_frozen = True
        self.backbone.requires_grad_(False)
        self.backbone.eval()

    def unfreeze_backbone(self) -> None:
        """Train the backbone (again), batch norms included."""
        self.backbone_is_frozen = False
        self.backbone.requires_grad_(True)
        self.backbone.train(self.training)

    def train(self: Extractor, mode: bool = True) -> Extractor:
        """Set training mode, of the backbone only if it is not frozen."""
        super().train(mode)
        if self.backbone_is_frozen:
            self.backbone.eval()
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters as optimiser groups named ``head`` and ``backbone``."""
        backbone = {id(parameter) for parameter in self.backbone.parameters()}
        head = [p for p in self.parameters() if id(p) not in backbone]
        return [
            {"name": "head", "params": head},
            {"name": "backbone", "params": list(self.backbone.parameters())},
        ]


def over_leading_axes(
    net: Callable[[Tensor], Tensor], images: Float[Tensor, "*n channels height width"]
) -> Float[Tensor, "*n out h w"]:
    """Return ``net`` of each image or map, whatever axes are in front; in channels-last order."""
    flat = images.reshape(-1, *images.shape[-3:]).contiguous(memory_format=torch.channels_last)
    return net(flat).unflatten(0, images.shape[:-3])
