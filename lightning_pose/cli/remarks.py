"""What the package logs becomes one-line notes; what libraries chat about stays unsaid."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from lightning_pose.cli.terminal import note

OURS = "lightning_pose"
QUIET = {"TORCH_CPP_LOG_LEVEL": "ERROR", "MLFLOW_LOGGING_LEVEL": "ERROR"}


class NoteHandler(logging.Handler):
    """Writes a record as a note on stderr: its message, without time, level or module."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        note(" ".join(record.getMessage().split()))


@contextmanager
def remarks(*, debug: bool = False) -> Iterator[None]:
    """Show our own log as notes and hide the libraries' warnings while a command runs.

    Args:
        debug: let the libraries' warnings through, as ``python -W`` does.
    """
    ours, handler = logging.getLogger(OURS), NoteHandler(logging.INFO)
    before = ours.level, ours.propagate
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    shows_all = debug or bool(sys.warnoptions)
    if not shows_all:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
    try:
        with warnings.catch_warnings():
            if not shows_all:
                warnings.simplefilter("ignore")
            yield
    finally:
        ours.removeHandler(handler)
        ours.level, ours.propagate = before
