"""Parts of the trackers' tests: pictures with something to find, and a way to train on them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from lightning_pose.contracts.batches import DataSpec, LabeledBatch
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.contracts.registry import TRACKERS
from lightning_pose.losses.factory import build_losses
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import build_tracker

Build = Callable[..., BaseSupervisedTracker]


@pytest.fixture
def spec() -> ModelSpec:
    """Return the recipe of a small heatmap tracker of two keypoints."""
    return ModelSpec(
        model_type="heatmap",
        backbone="efficientnet_lite0",
        keypoint_names=("red", "blue"),
        image_height=64,
        image_width=64,
    )


@pytest.fixture
def build() -> Build:
    """Return a function that builds a tracker with its supervised loss and Adam."""

    def make(
        spec: ModelSpec, *, pretrained: bool = False, rate: float = 3e-3
    ) -> BaseSupervisedTracker:
        torch.manual_seed(0)
        loss = TRACKERS.get(spec.model_type).supervised_loss()
        return build_tracker(
            spec,
            pretrained=pretrained,
            losses=build_losses([loss], {}),
            optimizer=lambda tracker: torch.optim.Adam(tracker.parameter_groups(), lr=rate),
        )

    return make


@pytest.fixture
def spots() -> Callable[..., LabeledBatch]:
    """Return a function that draws a red and a blue spot, the keypoints, in each picture."""

    def draw(data_spec: DataSpec, *, rows: int = 8, seed: int = 0) -> LabeledBatch:
        generator = torch.Generator().manual_seed(seed)
        height, width = data_spec.height, data_spec.width
        margin, size = 8, torch.tensor([width, height])
        points = margin + torch.rand(rows, 1, 2, 2, generator=generator) * (size - 2 * margin)
        columns, rows_ = torch.arange(width), torch.arange(height)
        distance = (columns - points[..., :1, None]).square() + (
            rows_[:, None] - points[..., 1:, None]
        ).square()
        red, blue = (-distance / (2 * 3.0**2)).exp().unbind(2)
        images = torch.stack([2 * red, torch.zeros_like(red), 2 * blue], 2) - 0.5
        return LabeledBatch(
            images=images[:, :, None].expand(-1, -1, data_spec.context, -1, -1, -1),
            keypoints_net=points,
            net_to_image=(2 * torch.eye(2, 3)).expand(rows, 1, 2, 3),
            row_ids=torch.arange(rows),
        )

    return draw
