"""Lightning's logger interface on top of the background writer."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from lightning.pytorch.loggers.logger import Logger

from lightning_pose.mlops.tracking.writer import Metrics, StoreWriter, now_ms


class TrackingCurves(Logger):
    """Hands metrics to the writer; returns at once.

    Args:
        writer: None for a run that is not tracked.
    """

    def __init__(self, writer: StoreWriter | None) -> None:
        super().__init__()
        self._writer = writer

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
        if self._writer is not None:
            values = {name: float(value) for name, value in metrics.items()}
            self._writer.put(Metrics(values, step or 0, now_ms()))

    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: the configuration is written when the run begins."""
