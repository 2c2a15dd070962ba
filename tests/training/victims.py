"""What runs in child processes that are killed, and how."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import torch.utils.tensorboard.writer
from tiny import settings, train_tiny

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
        save, calls = torch.save, []

        def save_and_die(content: Any, path: Path) -> None:
            save(content, path)
            calls.append(path)
            if len(calls) == self.nth_file:
                path.write_bytes(path.read_bytes()[:1000])
                os.kill(os.getpid(), signal.SIGKILL)

        torch.save = save_and_die


KILLERS = {
    "in a training batch": (KillAt, "on_train_batch_end", 5),
    "while the backbone is thawing": (KillAt, "on_train_epoch_start", 3),
    "in validation": (KillAt, "on_validation_batch_end", 4),
    "while writing best.ckpt": (KillWhileSaving, 4, 1),
    "while writing last.ckpt": (KillWhileSaving, 4, 2),
    "before anything was saved": (KillAt, "on_train_batch_end", 0),
}


def train(run_dir: Path, *, killed: str | None = None, resume: bool = False) -> None:
    """Train in this process; ``killed`` says when it dies."""
    torch.set_num_threads(1)
    killers = []
    if killed is not None:
        kind, *arguments = KILLERS[killed]
        killers.append(kind(*arguments))
    config = settings(
        max_epochs=EPOCHS,
        unfreezing_epoch=3,
        early_stopping=True,
        early_stop_patience=5,
        min_epochs=1,
        lr_scheduler_params={"milestones": [6]},
    )
    train_tiny(
        run_dir,
        config,
        callbacks=killers,
        resume_from=run_dir if resume else None,
        save_every_s=0.0,
    )
