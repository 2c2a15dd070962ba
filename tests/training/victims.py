"""What runs in child processes that are killed, and how."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import torch.utils.tensorboard.writer
from tiny import (
    BACKBONE,
    register_backbone,
    settings,
    tiny_tracker,
    tiny_video,
    train_tiny,
)

from lightning_pose.api import get_dataset, get_model
from lightning_pose.config.schema import Config, DataConfig, ImageDims, ModelConfig
from lightning_pose.training.fit import fit

EPOCHS = 8


class KillAt(pl.Callback):
    """Kills the process, as ``kill -9`` does, when a hook runs in an epoch."""

    def __init__(self, hook: str, epoch: int) -> None:
        self.epoch = epoch
        setattr(self, hook, self._kill)

    def _kill(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.current_epoch == self.epoch:
            os.kill(os.getpid(), signal.SIGKILL)


class KillWhileSaving(pl.Callback):
    """Kills the process when the n-th file of the epoch's saving is half written."""

    def __init__(self, epoch: int, nth_file: int) -> None:
        self.epoch = epoch
        self.nth_file = nth_file

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch != self.epoch:
            return
        write, calls = Path.write_bytes, []

        def write_and_die(path: Path, content: Any) -> int:
            calls.append(path)
            if len(calls) == self.nth_file:
                assert path.suffix == ".ckpt"
                write(path, content[:1000])
                os.kill(os.getpid(), signal.SIGKILL)
            return write(path, content)

        Path.write_bytes = write_and_die


MOMENTS = {
    "in a training batch": (KillAt, "on_train_batch_end", 5),
    "while the backbone is thawing": (KillAt, "on_train_epoch_start", 3),
    "in validation": (KillAt, "on_validation_batch_end", 4),
    "while writing best.ckpt": (KillWhileSaving, 4, 1),
    "while writing last.ckpt": (KillWhileSaving, 4, 2),
    "before anything was saved": (KillAt, "on_train_batch_end", 0),
}
KILLERS = MOMENTS | {"never": (pl.Callback,)}


def train_on_toy_data(
    run_dir: Path, *, data: Path, killed: str | None = None, resume: bool = False
) -> None:
    """Train on drawn frames in bf16, augmented, with gradients accumulated and clipped."""
    torch.set_num_threads(1)
    register_backbone()
    kind, *arguments = KILLERS[killed or "never"]
    config = Config(
        data=DataConfig(data_dir=str(data), image_resize_dims=ImageDims(height=64, width=64)),
        training=settings(
            max_epochs=7,
            unfreezing_epoch=2,
            train_prob=0.8,
            val_prob=0.2,
            train_batch_size=4,
            precision="bf16",
            accumulate_grad_batches=2,
            gradient_clip_val=1.0,
            optimizer="AdamW",
            lr_scheduler="cosine",
            check_val_every_n_epoch=2,
        ),
        model=ModelConfig(backbone=BACKBONE, backbone_pretrained=False),
    )
    labeled = get_dataset(config)
    fit(
        get_model(config, keypoint_names=labeled.keypoint_names),
        labeled.train_loader(),
        labeled.val_loader(),
        settings=config.training,
        run_dir=run_dir,
        callbacks=[kind(*arguments)],
        resume_from=run_dir if resume else None,
        save_every_s=0.0,
    )


def train(
    run_dir: Path, *, killed: str | None = None, resume: bool = False, video: bool = False
) -> None:
    """Train in this process, on ``video`` as well; ``killed`` says when it dies."""
    torch.set_num_threads(1)
    register_backbone()
    kind, *arguments = KILLERS[killed or "never"]
    config = settings(
        max_epochs=EPOCHS,
        unfreezing_epoch=3,
        early_stopping=True,
        early_stop_patience=5,
        min_epochs=1,
        lr_scheduler_params={"milestones": [6]},
    )
    on_video: dict[str, Any] = {}
    if video:
        tracker = tiny_tracker(config, on_video=("temporal", "unimodal_mse"))
        on_video = {"tracker": tracker, "unlabeled": tiny_video()}
    train_tiny(
        run_dir,
        config,
        **on_video,
        callbacks=[kind(*arguments)],
        resume_from=run_dir if resume else None,
        save_every_s=0.0,
    )
