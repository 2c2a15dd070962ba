"""Telling a person how a training goes."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import lightning.pytorch as pl

from lightning_pose.contracts.durations import duration
from lightning_pose.ops.processes import world_size
from lightning_pose.training.checkpoints import Checkpoints
from lightning_pose.training.speed import num_frames
from lightning_pose.training.stages import PIXEL_ERROR

TERMINAL_EVERY_S = 0.2
LINE_EVERY_S = 10.0
RECENT_S = 20.0
BAR_WIDTH = 20


@runtime_checkable
class Stream(Protocol):
    """Where the progress is written: ``sys.stderr``, an open file or the like."""

    def write(self, text: str, /) -> object:
        """Write the text."""
        ...

    def flush(self) -> None:
        """Make what was written visible."""
        ...

    def isatty(self) -> bool:
        """Tell whether a person looks at it on a terminal."""
        ...


class TrainingProgress(pl.Callback):
    """Shows epoch, validation pixel error, loss, frames per second and time left.

    On a terminal one line is rewritten; elsewhere a line is written every ten seconds.

    Args:
        stream: where to write.
        every_s: seconds between two drawings; None chooses by the kind of stream.
        clock: gives seconds.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        every_s: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.stream = stream
        self.on_terminal = stream.isatty()
        self.every_s = every_s or (TERMINAL_EVERY_S if self.on_terminal else LINE_EVERY_S)
        self.clock = clock
        self.error = math.nan
        self._steps = 0
        self._frames = 0
        self._started = 0.0
        self._drawn = 0.0
        self._width = 0
        self._recent: deque[tuple[float, int, int]] = deque()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started = self._drawn = self.clock()
        self._recent.append((self._started, 0, 0))

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Draw if it is time."""
        self._steps += 1
        self._frames += num_frames(batch) * world_size()
        now = self.clock()
        if now - self._drawn >= self.every_s:
            self._drawn = now
            self._recent.append((now, self._steps, self._frames))
            while len(self._recent) > 2 and now - self._recent[0][0] > RECENT_S:
                self._recent.popleft()
            self._draw(self.line(trainer))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take note of the pixel error."""
        self.error = float(trainer.callback_metrics.get(PIXEL_ERROR, math.nan))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave one line that says what came out."""
        seconds = self.clock() - self._started
        speed = f", {self._frames / seconds:.0f} frames/s" if seconds > 0 else ""
        best = _best_text(trainer)
        end = f"; best validation error {best}" if best else ""
        epochs = trainer.current_epoch
        self._draw(f"{epochs} epochs trained in {duration(seconds)}{speed}{end}")
        self._end_line()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave the line as it is, so that the message gets one of its own."""
        self._end_line()

    def line(self, trainer: pl.Trainer) -> str:
        """Return what is shown now."""
        total = _total_batches(trainer)
        done = trainer.fit_loop.total_batch_idx + 1
        share = min(done / total, 1.0)
        (first, steps, frames), (last, steps_now, frames_now) = self._recent[0], self._recent[-1]
        seconds = max(last - first, 1e-9)
        steps_per_s = (steps_now - steps) / seconds
        parts = [
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}",
            f"{bar(share)} {share:4.0%}" if self.on_terminal else f"{share:.0%}",
            self._error_text(trainer),
            _loss_text(trainer),
            f"{(frames_now - frames) / seconds:.0f} frames/s",
        ]
        if steps_per_s > 0:
            parts.append(f"{duration((total - done) / steps_per_s)} left")
        return "  ".join(part for part in parts if part)

    def _error_text(self, trainer: pl.Trainer) -> str:
        best = _best_text(trainer)
        now = f"val {self.error:.2f} px" if math.isfinite(self.error) else ""
        return f"{now} (best {best})".strip() if best else now

    def _draw(self, line: str) -> None:
        if self.on_terminal:
            self.stream.write(f"\r{line:<{self._width}}")
            self._width = len(line)
        else:
            self.stream.write(f"{line}\n")
        self.stream.flush()

    def _end_line(self) -> None:
        if self.on_terminal and self._width:
            self.stream.write("\n")
            self.stream.flush()
            self._width = 0


def bar(share: float) -> str:
    """Return a bar filled to ``share``.

    Example:
        >>> bar(0.25)
        '━━━━━───────────────'
    """
    full = round(share * BAR_WIDTH)
    return "━" * full + "─" * (BAR_WIDTH - full)


def _total_batches(trainer: pl.Trainer) -> float:
    """Return how many batches the whole training has."""
    whole_epochs = (trainer.max_epochs or 1) * trainer.num_training_batches
    kept = _checkpoints(trainer)
    steps = kept.length.max_steps if kept is not None else math.inf
    return max(min(float(whole_epochs), steps * trainer.accumulate_grad_batches), 1.0)


def _checkpoints(trainer: pl.Trainer) -> Checkpoints | None:
    return next((c for c in trainer.checkpoint_callbacks if isinstance(c, Checkpoints)), None)


def _best_text(trainer: pl.Trainer) -> str:
    """Return the best error and its epoch, counted from 1 as on the rest of the line."""
    kept = _checkpoints(trainer)
    if kept is None or kept.best_epoch is None:
        return ""
    return f"{kept.best_error:.2f} px in epoch {kept.best_epoch + 1}"


def _loss_text(trainer: pl.Trainer) -> str:
    loss = trainer.callback_metrics.get("total_loss")
    return "" if loss is None else f"loss {float(loss):.3g}"
