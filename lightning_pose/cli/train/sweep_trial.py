"""A training that is a trial of a sweep: it reports, may be pruned, and tells how it ended."""

from __future__ import annotations

import ctypes
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from lightning_pose.cli.terminal import note
from lightning_pose.config.app import RunContext
from lightning_pose.config.schema import Config
from lightning_pose.contracts.errors import TrainingError
from lightning_pose.inference.model import Model
from lightning_pose.mlops.sweeps.locks import is_own, is_present
from lightning_pose.mlops.sweeps.trial import RunningTrial
from lightning_pose.training.device import choose_device
from lightning_pose.training.pruning import Judge
from lightning_pose.training.result import PRUNED, FitResult

REPEATS = 5
Train = Callable[[Judge | None], FitResult]


def run_trial(config: Config, context: RunContext, train: Train) -> float | None:
    """Train as the trial that ``context`` names, and tell the sweep; return the pixel error.

    Raises:
        Whatever the training raises, told before. An interrupted one is not told: the sweep
        queues it to be carried on.
    """
    _give_back_memory()
    trial = _open(config, context)
    values = " ".join(f"{key}={value}" for key, value in trial.params.items())
    note(f"Trial {trial.number}{' goes on' if context.resumed else ''}: {values}")
    try:
        result = train(trial.report)
        pruned = result.outcome == PRUNED
        found = [] if pruned else _objectives(context, result)
    except Exception as error:
        reason = str(error) or type(error).__name__
        trial.failed(reason)
        note(f"Trial {trial.number} failed: {reason}")
        raise
    if pruned:
        trial.pruned()
        note(f"Trial {trial.number} was pruned after {result.epochs} epochs.")
    else:
        trial.complete(found)
    return result.val_pixel_error


def _open(config: Config, context: RunContext) -> RunningTrial:
    assert context.trial is not None
    first = context.trial.settings.first_judged_epoch(
        uses_video_losses=bool(config.model.losses_to_use),
        freeze_until_epoch=config.callbacks.anneal_weight.freeze_until_epoch or 0,
    )
    number = config.training.processes
    trial = RunningTrial(
        context.trial,
        max_epochs=config.training.max_epochs,
        first_judged_epoch=first,
        can_be_pruned=number == 1,  # the others would wait for the one that was told to stop
    )
    trial.note_device(_device_name(choose_device(config.training).device), number=number)
    return trial


def leave_if_orphaned(context: RunContext) -> None:
    """End a process whose sweep is gone, so that nobody waits for what it returns.

    One of joblib would wait for a reader for ever.
    """
    worker = context.trial.worker if context.trial is not None else ""
    if not worker or is_own(worker) or is_present(context.run_dir.parent, worker):
        return
    note("The sweep that began this trial is gone, and so is this process now.")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _give_back_memory() -> None:
    """Free what an earlier trial of this process has left; else it grows with every trial."""
    gc.collect()
    with suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


def _objectives(context: RunContext, result: FitResult) -> list[float]:
    assert context.trial is not None
    if result.val_pixel_error is None:
        raise TrainingError(
            "A sweep compares validation errors, and there are no validation frames; set "
            "training.val_prob."
        )
    measured = {
        "val_pixel_error": lambda: float(result.val_pixel_error or 0),
        "predict_ms": lambda: predict_ms(context.run_dir),
    }
    return [measured[name]() for name in context.trial.settings.objective]


def predict_ms(run_dir: Path) -> float:
    """Return the milliseconds a trained model takes for a frame of its own size.

    The median of five full batches after a first one; other work on the machine counts in.
    """
    model = Model.load(run_dir)
    size = (model.data_spec.height, model.data_spec.width)
    frames = np.zeros((model.default_batch_size, *size, 3), dtype=np.uint8)
    model.predict_frames(frames)
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        model.predict_frames(frames)
        seconds.append(time.perf_counter() - started)
    return round(1000 * statistics.median(seconds) / len(frames), 4)
