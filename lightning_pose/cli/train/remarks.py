"""What the package logs becomes one-line notes; what libraries chat about stays unsaid."""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lightning_pose.cli.terminal import note

OURS = "lightning_pose"
VARYING = "does not have a deterministic implementation"
QUIET = {"TORCH_CPP_LOG_LEVEL": "ERROR", "MLFLOW_LOGGING_LEVEL": "ERROR"}


class NoteHandler(logging.Handler):
    """Writes a record as a note on stderr: its message, without time, level or module.

    An error that comes with it is shown with where it arose.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if record.exc_info is not None and record.exc_info[1] is not None:
            traceback.print_exception(record.exc_info[1])
        note(" ".join(record.getMessage().split()))


@contextmanager
def remarks(*, debug: bool = False) -> Iterator[None]:
    """Show our own log as notes and hide the libraries' warnings while a command runs.

    Where they are shown already nothing changes. One of the warnings becomes a note of its own:
    that torch can do an operation in varying order only, which it says where
    ``training.deterministic`` is on.

    Args:
        debug: show details of our log too, and let the libraries' warnings through, as
            ``python -W`` does.
    """
    level = logging.DEBUG if debug else logging.INFO
    ours, handler = logging.getLogger(OURS), NoteHandler(level)
    if any(isinstance(other, NoteHandler) for other in ours.handlers):
        yield
        return
    level_before, propagated = ours.level, ours.propagate
    ours.addHandler(handler)
    ours.setLevel(level)
    ours.propagate = False
    shows_all = debug or bool(sys.warnoptions)
    if not shows_all:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
    try:
        with warnings.catch_warnings():
            if not shows_all:
                warnings.simplefilter("ignore")
                warnings.filterwarnings("always", message=f".*{VARYING}")
                warnings.showwarning = _note_varying(set())
            yield
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level_before)
        ours.propagate = propagated


def _note_varying(seen: set[str]) -> Callable[..., None]:
    """Return what shows torch's warning of an operation in a sentence of ours, once.

    Other warnings come through if a library changes the filters, as MLflow does; they stay unsaid.
    """

    def show(message: Warning | str, *_args: Any, **_kwargs: Any) -> None:
        operation, found, _ = str(message).partition(VARYING)
        operation = operation.strip()
        if found and operation not in seen:
            seen.add(operation)
            note(
                f"torch has no version of {operation} that sums in a fixed order, so "
                "training.deterministic cannot make equal seeds give equal weights here."
            )

    return show
