"""A tracker that reads the number drawn in each frame: lost, doubled or moved frames show."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lightning_pose.contracts.batches import LabeledBatch, VideoBatch
from lightning_pose.contracts.loss_inputs import LabeledLossInputs
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.models.base import BaseSupervisedTracker, TrackerParts, to_image
from tests.video.corpus import BITS, BLOCK, HEIGHT, WIDTH

CORNER_NET = (10.0, 20.0)


class TinyBackbone(nn.Module):
    """A convolution and its batch norm."""

    channels, stride = 4, 1
    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.conv(images))


class NumberTracker(BaseSupervisedTracker):
    """Predicts keypoint 0 at (number, number), keypoint 1 at a fixed network pixel."""

    @classmethod
    def supervised_loss(cls, *, heatmap_loss_type: str = "mse") -> str:
        return "regression"

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LabeledLossInputs:
        raise NotImplementedError

    def predict_batch(self, batch: LabeledBatch | VideoBatch) -> tuple[Tensor, Tensor]:
        if isinstance(batch, LabeledBatch):
            frames = batch.images[:, :, self.data_spec.halo]
        else:
            halo = batch.halo
            frames = batch.frames[halo : len(batch.frames) - halo]
        self.batch_sizes.append(len(frames))
        numbers = frames.flatten(0, 1).mean(1)  # n v, height, width
        bits = torch.stack(
            [
                numbers[:, 2 : BLOCK - 2, i * BLOCK + 2 : (i + 1) * BLOCK - 2].mean((1, 2)) > 0
                for i in range(BITS)
            ],
            dim=-1,
        )
        number = (bits * 2 ** torch.arange(BITS)).sum(-1).float()
        number = number.view(*frames.shape[:2], 1, 1).expand(-1, -1, 1, 2)
        corner = torch.tensor(CORNER_NET).view(1, 2).expand(*frames.shape[:2], 1, 2)
        corner_img = to_image(corner.flatten(1, 2), batch.net_to_image).unflatten(
            1, (frames.shape[1], 1)
        )
        xy_img = torch.cat([number, corner_img], dim=2).flatten(1, 2)
        return xy_img, torch.full(xy_img.shape[:2], 0.95)


class ContextNumberTracker(NumberTracker):
    """The same, asking for two neighbours on either side."""

    context = 5


def number_tracker(
    *,
    context: bool = False,
    view_names: tuple[str, ...] = (),
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> NumberTracker:
    """Return a tracker for the videos of the corpus; no frame needs resizing."""
    torch.manual_seed(0)
    spec = ModelSpec(
        model_type="number_reader",
        backbone="tiny",
        keypoint_names=("number", "corner"),
        image_height=size[1],
        image_width=size[0],
        view_names=view_names,
    )
    parts: Any = TrackerParts(spec=spec, params=None, backbone=TinyBackbone())
    tracker = (ContextNumberTracker if context else NumberTracker)(parts)
    tracker.batch_sizes = []
    return tracker.eval()
