"""Curves for TensorBoard, in the run directory."""

from __future__ import annotations

import logging
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers.logger import Logger

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

logger = logging.getLogger(__name__)

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
        self._gave_up = False

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
        """Write each value at the step; a disk that refuses them does not stop the training."""
        if self._gave_up:
            return
        try:
            if self._writer is None:
                self._writer = self._open()
            for name, value in metrics.items():
                self._writer.add_scalar(name, value, step)
        except OSError as error:
            self._give_up(error)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kw: Any) -> None:
        """Write nothing: the settings are in config.yaml."""

    def finalize(self, status: str) -> None:
        """Write what is left and close the file."""
        if self._writer is None or self._gave_up:
            return
        try:
            self._writer.close()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._gave_up = True
        logger.warning("No more curves are written to %s: %s", self.folder, error)

    def _open(self) -> SummaryWriter:
        from torch.utils.tensorboard.writer import SummaryWriter

        return SummaryWriter(
            log_dir=str(self.folder), purge_step=self.resume_step, flush_secs=FLUSH_S
        )
