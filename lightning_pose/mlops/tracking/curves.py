"""Lightning's logger interface on top of the background writer."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from lightning.pytorch.loggers.logger import Logger

from lightning_pose.mlops.tracking.items import Metrics, now_ms
from lightning_pose.mlops.tracking.writer import StoreWriter


class TrackingCurves(Logger):
    """Hands metrics to the writer; returns at once.

    Attributes:
        history: (step, value) of each metric since the process began, to be drawn.

    Args:
        writer: None for a run that is not tracked.
    """

    def __init__(self, writer: StoreWriter | None) -> None:
        super().__init__()
        self._writer = writer
        self.history: dict[str, list[tuple[int, float]]] = {}

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
            self._writer.put(Metrics(values, step or 0, now_ms()))

    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: the configuration is written when the run begins."""
