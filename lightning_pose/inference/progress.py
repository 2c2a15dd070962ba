"""How far a prediction has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the work on one video has come.

    Attributes:
        done: frames finished, those of earlier calls included.
        total: frames expected; None = unknown, and a guess where the file keeps no index.
        seconds: since the first frame was asked for.
        waited_s: of these, spent waiting for frames of this video while none of another came.
        kept: of the frames done, those of earlier calls.
        stage: what is being done with the frames: predicting or drawing.
    """

    done: int
    total: int | None
    seconds: float
    waited_s: float = 0.0
    kept: int = 0
    stage: str = "predicting"

    @property
    def fps(self) -> float:
        """Return frames finished per second so far, without those of earlier calls."""
        return (self.done - self.kept) / self.seconds if self.seconds > 0 else 0.0


OnProgress = Callable[[Progress], None]


class Stopwatch:
    """Measures a loop over frames."""

    def __init__(
        self, total: int | None, on_progress: OnProgress | None, *, stage: str = "predicting"
    ) -> None:
        self.total = total
        self.stage = stage
        self._on_progress = on_progress
        self._start = time.perf_counter()

    def report(self, done: int) -> Progress:
        """Tell the listener how many frames are done; return that."""
        progress = Progress(
            done=done,
            total=self.total,
            seconds=time.perf_counter() - self._start,
            stage=self.stage,
        )
        if self._on_progress is not None:
            self._on_progress(progress)
        return progress
