"""A tracker and loaders small enough to train in a blink, with dropout and batch norm inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from lightning_pose.config.schema import TrainingConfig
from lightning_pose.contracts.batches import LabeledBatch, VideoBatch
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.contracts.registry import BACKBONES
from lightning_pose.losses.factory import build_losses
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import build_tracker
from lightning_pose.training.fit import fit
from lightning_pose.training.optimization import optimizer_for
from lightning_pose.training.result import FitResult
from lightning_pose.training.unlabeled import Importance, UnlabeledVideo

SIDE, KEYPOINTS = 64, 2
BACKBONE = "tiny_for_test"


class TinyBackbone(nn.Module):
    """Two convolutions of stride 4, with what makes training depend on random numbers."""

    channels, stride = 8, 16
    mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

    def __init__(self, *, pretrained: bool = False, checkpoint: Path | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=4),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Conv2d(8, 8, 4, stride=4),
            nn.ReLU(),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def register_backbone() -> None:
    """Let configurations name the tiny backbone; the fixture in conftest takes it back."""
    BACKBONES.register(BACKBONE)(TinyBackbone)


class TinyLoader:
    """Frames with one bright spot per keypoint; content is a function of row, order of epoch."""

    def __init__(self, num_rows: int = 12, *, batch_size: int = 4, nan_in_row: int = -1) -> None:
        self.num_rows = num_rows
        self.batch_size = batch_size
        self.nan_in_row = nan_in_row
        self.epoch = 0
        self.epochs_seen: list[int] = []

    def __len__(self) -> int:
        return -(-self.num_rows // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[LabeledBatch]:
        self.epochs_seen.append(self.epoch)
        order = torch.randperm(self.num_rows, generator=torch.Generator().manual_seed(self.epoch))
        for rows in order.split(self.batch_size):
            yield self.batch(rows)

    def batch(self, rows: Tensor) -> LabeledBatch:
        points = torch.stack([self.points(int(row)) for row in rows])
        images = torch.zeros(len(rows), 1, 1, 3, SIDE, SIDE)
        for image, pose in zip(images, points, strict=True):
            for k, (x, y) in enumerate(pose.round().long().tolist()):
                image[0, 0, k, y - 2 : y + 3, x - 2 : x + 3] = 1
        images[rows == self.nan_in_row] = float("nan")
        affine = torch.tensor([[2.0, 0, 0], [0, 2, 0]]).expand(len(rows), 1, 2, 3)
        return LabeledBatch(
            images=images, keypoints_net=points[:, None], net_to_image=affine, row_ids=rows
        )

    @staticmethod
    def points(row: int) -> Tensor:
        generator = torch.Generator().manual_seed(1000 + row)
        return 8 + 48 * torch.rand(KEYPOINTS, 2, generator=generator)


class TinyVideo:
    """Sequences of spots that jump about; content is a function of epoch and step."""

    def __init__(self, steps: int = 10, *, frames: int = 4, seed: int = 0) -> None:
        self.steps = steps
        self.frames = frames
        self.seed = seed
        self.epoch = 0
        self.epochs_seen: list[int] = []

    def __len__(self) -> int:
        return self.steps

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[VideoBatch]:
        self.epochs_seen.append(self.epoch)
        for step in range(self.steps):
            rows = 10_000 * self.seed + 1000 * self.epoch + 10 * step + torch.arange(self.frames)
            spots = TinyLoader().batch(rows)
            yield VideoBatch(
                frames=spots.images[:, 0],
                net_to_image=spots.net_to_image,
                frame_ids=torch.arange(self.frames),
            )


def tiny_video(importance: Importance = lambda epoch: min(0.5 * epoch, 1.0)) -> UnlabeledVideo:
    """Return video that counts from the second epoch on."""
    return UnlabeledVideo(train=TinyVideo(), importance=importance, val=TinyVideo(2, seed=1))


def settings(**changes: object) -> TrainingConfig:
    """Return settings for a few epochs in fp32 on the CPU."""
    values: dict[str, object] = {
        "max_epochs": 4,
        "unfreezing_epoch": 2,
        "check_val_every_n_epoch": 1,
        "accelerator": "cpu",
        "precision": "fp32",
        "log_every_n_steps": 2,
        "optimizer_params": {"learning_rate": 1e-2},
    }
    return TrainingConfig(**(values | changes))


def tiny_tracker(
    config: TrainingConfig, *, loss: str = "heatmap_mse", on_video: tuple[str, ...] = ()
) -> BaseSupervisedTracker:
    """Return a heatmap tracker on the tiny backbone, to be trained with ``config`` and losses."""
    torch.manual_seed(0)
    spec = ModelSpec(
        model_type="heatmap",
        backbone=BACKBONE,
        keypoint_names=("nose", "tail"),
        image_height=SIDE,
        image_width=SIDE,
    )
    losses = build_losses([loss], {})
    strong = {
        "temporal": {"log_weight": 2.0, "epsilon": 1.0},
        "pca_singleview": {"log_weight": 2.0},
    }
    unsupervised = build_losses(on_video, strong) if on_video else None
    return build_tracker(
        spec,
        losses=losses,
        optimizer=optimizer_for(config),
        unsupervised_losses=unsupervised,
    )


def train_tiny(run_dir: Path, config: TrainingConfig | None = None, **kwargs: object) -> FitResult:
    """Train the tiny tracker on tiny frames, validated on frames of its own."""
    config = config or settings()
    tracker = kwargs.pop("tracker", None) or tiny_tracker(config)
    train_loader = kwargs.pop("train_loader", TinyLoader())
    val_loader = kwargs.pop("val_loader", TinyLoader(5))
    return fit(tracker, train_loader, val_loader, settings=config, run_dir=run_dir, **kwargs)
