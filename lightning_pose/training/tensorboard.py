"""Curves for TensorBoard, in the run directory."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers.logger import Logger

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

FLUSH_S = 5


class TensorBoardCurves(Logger):
    """Writes metrics as TensorBoard events; flushed every few seconds, not at every value.

    Args:
        folder: where the event files go; made when the first value comes.
        resume_step: when a training is resumed, values at this step and later ones that an
            interrupted run has left are hidden.
    """

    def __init__(self, folder: Path, *, resume_step: int | None = None) -> None:
        super().__init__()
        self.folder = folder
        self.resume_step = resume_step
        self._writer: SummaryWriter | None = None

    @property
    def name(self) -> str:
        """Return the name of the folder."""
        return self.folder.name

    @property
    def version(self) -> str:
        """Return nothing: a run directory holds one run."""
        return ""

    @property
    def save_dir(self) -> str:
        """Return the folder."""
        return str(self.folder)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Write each value at the step."""
        if self._writer is None:
            self._writer = self._open()
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kw: Any) -> None:
        """Write nothing: the settings are in config.yaml."""

    def finalize(self, status: str) -> None:
        """Write what is left and close the file."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> SummaryWriter:
        from torch.utils.tensorboard.writer import SummaryWriter

        return SummaryWriter(
            log_dir=str(self.folder), purge_step=self.resume_step, flush_secs=FLUSH_S
        )
