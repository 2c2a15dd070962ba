"""What each process of a training on several runs, and what is changed to see into it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from tiny import (
    BACKBONE,
    SIDE,
    TinyLoader,
    TinyVideo,
    register_backbone,
    settings,
    tiny_tracker,
    train_tiny,
)
from torch.distributed import TCPStore

from lightning_pose.contracts.batches import LabeledBatch
from lightning_pose.contracts.errors import TrainingError
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.losses.factory import build_losses
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import build_tracker
from lightning_pose.training.optimization import optimizer_for
from lightning_pose.training.unlabeled import UnlabeledVideo
from lightning_pose.training.world import World

UNSURE = 0.32  # about the median confidence of the untrained tracker
VIDEO_LOSSES = {"temporal": {"log_weight": 0.0, "epsilon": 0.5, "prob_threshold": UNSURE}}
NAN_ROWS = (0, 1, 2, 3, 4)  # rows with but one label; the ranks get unequally many of them


def world(rank: int, size: int, port: int) -> World:
    """Return the world of a process, its store on ``port`` of this machine."""
    if size == 1:
        return World()
    return World(rank=rank, local_rank=rank, size=size, store=TCPStore("127.0.0.1", port))


class SharedLoader(TinyLoader):
    """The rows of each batch are shared by the processes; some have a missing label."""

    def __init__(self, *args: Any, rank: int, size: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rank, self.size = rank, size

    def batch(self, rows: torch.Tensor) -> LabeledBatch:
        whole = super().batch(rows[self.rank :: self.size])
        points = whole.keypoints_net.clone()
        for index, row in enumerate(whole.row_ids.tolist()):
            if row in NAN_ROWS:
                points[index, 0, 0] = float("nan")
        noise = torch.randn(
            100, *whole.images.shape[1:], generator=torch.Generator().manual_seed(0)
        )
        return replace(whole, keypoints_net=points, images=whole.images + noise[whole.row_ids])


class Gradients(pl.Callback):
    """Keeps the gradients of the first step."""

    def __init__(self) -> None:
        self.first: dict[str, torch.Tensor] = {}

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: object
    ) -> None:
        if not self.first:
            named = pl_module.named_parameters()
            self.first = {n: p.grad.clone() for n, p in named if p.grad is not None}


def tracker_for(config: Any, *, loss: str, video: bool = False) -> BaseSupervisedTracker:
    """Return a tracker without dropout, for which missing labels do not count."""
    register_backbone()
    torch.manual_seed(0)
    spec = ModelSpec(
        model_type="heatmap",
        backbone=BACKBONE,
        keypoint_names=("nose", "tail"),
        image_height=SIDE,
        image_width=SIDE,
        params={"uniform_heatmaps_for_nan_keypoints": False},
    )
    tracker = build_tracker(
        spec,
        losses=build_losses([loss], {}),
        optimizer=optimizer_for(config),
        unsupervised_losses=build_losses(VIDEO_LOSSES, VIDEO_LOSSES) if video else None,
    )
    for module in tracker.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return tracker


def first_gradients(
    out: Path, rank: int, size: int, port: int, *, loss: str, video: bool = False
) -> None:
    """Write gradients and batch-norm statistics of the first step of a whole training."""
    torch.set_num_threads(1)
    config = settings(
        max_steps=1,
        max_epochs=None,
        unfreezing_epoch=0,
        num_gpus=size,
        optimizer_params={"learning_rate": 1e-9},
    )
    tracker = tracker_for(config, loss=loss, video=video)
    kept = Gradients()
    sequences = UnlabeledVideo(
        train=TinyVideo(10, seed=rank), val=TinyVideo(2, seed=9), importance=lambda epoch: 1.0
    )
    result = train_tiny(
        out / "run",
        config,
        tracker=tracker,
        train_loader=SharedLoader(8, batch_size=8, rank=rank, size=size),
        val_loader=SharedLoader(6, rank=rank, size=size),
        callbacks=[kept],
        unlabeled=sequences if video else None,
        world=world(rank, size, port),
    )
    norms = dict(tracker.backbone.named_buffers())
    error = torch.tensor(result.val_pixel_error)
    torch.save((kept.first, norms, {"error": error}), out / f"{size}-{rank}.pt")


class DieAt(pl.Callback):
    """Kills the process, or breaks it, in an epoch."""

    def __init__(self, epoch: int, how: str) -> None:
        self.epoch, self.how = epoch, how

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.current_epoch == self.epoch and self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)


def whole_training(
    out: Path,
    rank: int,
    size: int,
    port: int,
    *,
    epochs: int = 4,
    resume: bool = False,
    nan_in_row: int = -1,
    **changes: Any,
) -> None:
    """Train; write how it went, the metrics this process saw, and what went wrong."""
    torch.set_num_threads(1)
    register_backbone()
    config = settings(max_epochs=epochs, num_gpus=size, **changes)
    tracker = tiny_tracker(config)
    seen = Metrics()
    outcome: dict[str, Any] = {}
    try:
        result = train_tiny(
            out / "run",
            config,
            tracker=tracker,
            train_loader=SharedLoader(
                12, batch_size=4, rank=rank, size=size, nan_in_row=nan_in_row
            ),
            val_loader=SharedLoader(6, rank=rank, size=size),
            callbacks=[seen],
            resume_from=out / "run" if resume else None,
            save_every_s=0.0,
            world=world(rank, size, port),
        )
        outcome = {"outcome": result.outcome, "epochs": result.epochs, "steps": result.steps}
    except TrainingError as error:
        outcome = {"error": str(error)}
    weights = tracker.state_dict()
    torch.save(outcome | {"seen": seen.values, "weights": weights}, out / f"{size}-{rank}.pt")


class Metrics(pl.Callback):
    """Keeps the validation error of each epoch, and random numbers drawn in each step."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {"val_pixel_error": [], "drawn": []}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.values["val_pixel_error"].append(float(trainer.callback_metrics["val_pixel_error"]))

    def on_before_zero_grad(self, *args: Any) -> None:
        self.values["drawn"].append(float(torch.rand(())))


def rows_of(loader: TinyLoader) -> Iterator[int]:
    """Yield the rows of an epoch."""
    for batch in loader:
        yield from batch.row_ids.tolist()
