"""Lightning's Trainer, set up and run the way this program wants it."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import lightning.pytorch as pl
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lightning_pose.config.schema import TrainingConfig
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.joint_batch_norm import joint_batch_norms
from lightning_pose.ops.processes import world_size
from lightning_pose.training.checkpoint_files import PlainCheckpointIO
from lightning_pose.training.data_parallel import DataParallel
from lightning_pose.training.device import choose_device
from lightning_pose.training.length import Length
from lightning_pose.training.speed import TimedLoader


def make_trainer(
    settings: TrainingConfig,
    length: Length,
    tracker: BaseSupervisedTracker,
    *,
    run_dir: Path,
    loggers: Sequence[Logger],
    callbacks: Sequence[pl.Callback],
) -> pl.Trainer:
    """Return a Lightning trainer without its own progress bar, summary and checkpoints.

    On a GPU the tracker is told to replay its backbone as a CUDA graph; not among several
    processes, whose batch norms talk to each other in the middle of it.

    Raises:
        ConfigError: the settings ask for a device or arithmetic this machine has not.
    """
    where = choose_device(settings)
    # The memory of a graph cannot hold the sum of several batches' gradients.
    alone = world_size() == 1
    tracker.use_cuda_graphs = where.on_gpu and settings.accumulate_grad_batches == 1 and alone
    with quiet():
        return pl.Trainer(
            accelerator="gpu" if where.on_gpu else "cpu",
            devices=[where.device.index] if where.on_gpu else 1,
            strategy="auto" if alone else DataParallel(device=where.device),
            precision=where.lightning_precision,  # pyright: ignore[reportArgumentType]
            max_epochs=length.epochs,
            check_val_every_n_epoch=settings.check_val_every_n_epoch,
            log_every_n_steps=settings.log_every_n_steps,
            accumulate_grad_batches=settings.accumulate_grad_batches,
            gradient_clip_val=settings.gradient_clip_val,
            limit_train_batches=settings.limit_train_batches,
            logger=list(loggers),
            callbacks=list(callbacks),
            plugins=[PlainCheckpointIO(), LightningEnvironment()],
            default_root_dir=run_dir,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )


def run_trainer(
    trainer: pl.Trainer,
    tracker: pl.LightningModule,
    train_loader: TimedLoader,
    val_loader: TimedLoader | None,
    resume_from: Path | None,
) -> bool:
    """Train; return False if the training came to its end, True if it was interrupted politely."""
    on_sigint = signal.getsignal(signal.SIGINT)
    try:
        with quiet(), joint_batch_norms(tracker):
            trainer.fit(
                tracker, train_loader, val_loader, ckpt_path=resume_from, weights_only=True
            )
    except SIGTERMException:
        return True
    except SystemExit as stop:  # what Lightning makes of Ctrl-C
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        return True
    finally:
        if on_sigint is not None and signal.getsignal(signal.SIGINT) is not on_sigint:
            signal.signal(signal.SIGINT, on_sigint)  # Lightning leaves Ctrl-C switched off
    return False


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's tips and hints off the terminal; its errors come through."""
    names = ("lightning.pytorch", "lightning.fabric")
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)
        # of a training resumed with early stopping switched on or off
        warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`")
        # of gradients that come from a CUDA graph, captured on a stream of its own
        warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream")
        # Lightning 2.6 with torch 2.15
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
        try:
            for name in names:
                logging.getLogger(name).setLevel(logging.ERROR)
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
