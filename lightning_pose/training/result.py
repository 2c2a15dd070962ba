"""What a training comes to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FINISHED, STOPPED_EARLY, INTERRUPTED = "finished", "stopped early", "interrupted"
PRUNED = "pruned"


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What came out of a training.

    Attributes:
        best_checkpoint: weights of the lowest validation pixel error, or the last ones if there
            is nothing to validate on; None if nothing was saved.
        last_checkpoint: the state to resume from; None if nothing was saved.
        val_pixel_error: of the best weights, in pixels of the original images; None if there is
            nothing to validate on.
        best_epoch: epoch of the best weights, from 0.
        epochs: passes over the training frames done in all, before a resumption included.
        steps: moves of the weights in all.
        outcome: finished, stopped early, interrupted (by Ctrl-C or a polite kill), or pruned
            (ended by the judge of a sweep).
        seconds: this process trained, from the start of the first epoch to the end of the last.
        first_step_s: seconds from the call of ``fit`` to the end of the first step; NaN if none.
        frames_per_second: of all processes together, validation and saving included.
        data_wait_share: share of the time spent waiting for batches, 0..1.
        notes: sentences for the user.
    """

    best_checkpoint: Path | None
    last_checkpoint: Path | None
    val_pixel_error: float | None
    best_epoch: int | None
    epochs: int
    steps: int
    outcome: str
    seconds: float
    first_step_s: float
    frames_per_second: float
    data_wait_share: float
    notes: tuple[str, ...] = ()
