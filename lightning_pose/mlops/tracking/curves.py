"""Lightning's logger interface on top of the background writer."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any

from lightning.pytorch.loggers.logger import Logger

from lightning_pose.mlops.tracking.items import Metrics, now_ms
from lightning_pose.mlops.tracking.writer import StoreWriter

POINT_EVERY_S = 0.2
ALWAYS_KEPT = 100


class TrackingCurves(Logger):
    """Hands metrics to the writer; returns at once.

    The writer shares the interpreter with the training, so that the time it takes is the most that
    tracking can cost. Where epochs last milliseconds it is therefore given five points a second of
    each curve, and the last one, after the first hundred, which are all kept.

    Attributes:
        history: (step, value) of each metric since the process began, to be drawn.

    Args:
        writer: None for a run that is not tracked.
    """

    def __init__(self, writer: StoreWriter | None) -> None:
        super().__init__()
        self._writer = writer
        self.history: dict[str, list[tuple[int, float]]] = {}
        self._held: dict[str, Metrics] = {}
        self._next: dict[str, float] = {}

    @property
    def name(self) -> str:
        """Return the name of the store."""
        return "mlflow"

    @property
    def version(self) -> str:
        """Return the run's id in the store, empty until it is open."""
        return self._writer.identity.get("run_id", "") if self._writer else ""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Hand over the values of a step."""
        values = {name: float(value) for name, value in metrics.items()}
        for name, value in values.items():
            self.history.setdefault(name, []).append((step or 0, value))
        if self._writer is not None:
            self._put(self._writer, values, step or 0)

    def hand_over_last(self) -> None:
        """Hand over the points that are held back: no later ones will come."""
        for point in self._held.values():
            if self._writer is not None:
                self._writer.put(point)
        self._held = {}

    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: the configuration is written when the run begins."""

    def _put(self, writer: StoreWriter, values: dict[str, float], step: int) -> None:
        now, time_ms = time.monotonic(), now_ms()
        due: dict[str, float] = {}
        for name, value in values.items():
            if now >= self._next.get(name, 0.0) or len(self.history[name]) <= ALWAYS_KEPT:
                due[name] = value
                self._next[name] = now + POINT_EVERY_S
                self._held.pop(name, None)
            else:
                self._held[name] = Metrics({name: value}, step, time_ms)
        if due:
            writer.put(Metrics(due, step, time_ms))
