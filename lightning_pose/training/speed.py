"""How fast a training runs, and how much of the time it waits for data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import lightning.pytorch as pl

from lightning_pose.contracts.batches import LabeledBatch
from lightning_pose.ops.processes import world_size

REPORT_EVERY_S = 1.0


@runtime_checkable
class Loader(Protocol):
    """Batches of an epoch; the loader is told which epoch comes next."""

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of the epoch chosen last."""
        ...

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that comes next."""
        ...


class TimedLoader:
    """A loader that adds up how long its batches take to come.

    The inner loader is asked for its iterator with the first batch, not before: Lightning makes
    an iterator before it says which epoch a resumed training begins with.
    """

    batch_sampler = None  # Lightning looks for it wherever there is a sampler

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.waited_s = 0.0

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        return len(self.loader)

    @property
    def sampler(self) -> Loader:
        """Return the inner loader: it is where Lightning looks for ``set_epoch``."""
        return self.loader

    def __iter__(self) -> Iterator[Any]:
        before = time.perf_counter()
        batches = iter(self.loader)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            finally:
                self.waited_s += time.perf_counter() - before
            yield batch
            before = time.perf_counter()


class Speed(pl.Callback):
    """Logs learning rates, frames per second and the share of time spent waiting for data.

    Attributes:
        frames: labelled frames trained on so far, by all processes together.
        first_step_at: ``time.perf_counter()`` when the first step was done, or None.
        seconds: from the start of training to the end of its last epoch so far.
    """

    def __init__(self, loader: TimedLoader) -> None:
        self.loader = loader
        self.frames = 0
        self.first_step_at: float | None = None
        self.seconds = 0.0
        self._started = 0.0
        self._mark = (0.0, 0, 0.0)
        self._rates: dict[str, float] = {}

    @property
    def frames_per_second(self) -> float:
        """Return frames per second since the start, validation and saving included."""
        return self.frames / self.seconds if self.seconds else 0.0

    @property
    def data_wait_share(self) -> float:
        """Return the share of time spent waiting for data since the start."""
        return self.loader.waited_s / self.seconds if self.seconds else 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()
        self._mark = (self._started, 0, 0.0)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take note of the learning rates; at the end of the epoch they are the next one's."""
        self._rates = {
            f"lr_{group['name']}": group["lr"]
            for optimizer in trainer.optimizers
            for group in optimizer.param_groups
        }

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count the frames of the batch."""
        self.frames += num_frames(batch) * world_size()
        if self.first_step_at is None:
            self.first_step_at = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log learning rates every epoch, speed at most every second."""
        now = time.perf_counter()
        self.seconds = now - self._started
        values = dict(self._rates)
        since, frames, waited = self._mark
        if now - since >= REPORT_EVERY_S:
            values["frames_per_second"] = (self.frames - frames) / (now - since)
            values["data_wait_share"] = (self.loader.waited_s - waited) / (now - since)
            self._mark = (now, self.frames, self.loader.waited_s)
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step - 1)


def num_frames(batch: Any) -> int:
    """Return how many labelled frames a batch holds; batches may be grouped in a mapping."""
    parts = batch.values() if isinstance(batch, dict) else (batch,)
    return sum(len(part.row_ids) for part in parts if isinstance(part, LabeledBatch))
