"""What is told of an input that failed: whatever it was, it costs no other input."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lightning_pose.contracts.errors import (
    DataError,
    FaultError,
    LitposeError,
    ModelError,
    UnreadableError,
    WriteError,
)

_NO_MEMORY = "can't allocate memory"  # in what torch raises on a CPU, which has no kind of its own
_logger = logging.getLogger(__name__)


def failure_of(error: Exception) -> LitposeError:
    """Return what is told of an error that one input met.

    What nobody foresaw is told as a fault of ours; where it arose is in the log, for ``--debug``.

    Raises:
        Exception: the error itself, where no other input could be predicted after it: the GPU has
            given up the process.
    """
    if isinstance(error, LitposeError):
        return error
    if isinstance(error, torch.OutOfMemoryError):
        return gpu_too_small(error)
    if isinstance(error, torch.AcceleratorError):
        raise error
    if isinstance(error, OSError):
        return UnreadableError(f"{error.filename or 'A file'}: {error.strerror or error}.")
    if isinstance(error, MemoryError) or _NO_MEMORY in str(error):
        return ModelError(
            "The memory of this computer is too small for this batch. Take fewer frames at a time "
            "(--batch-size)."
        )
    _logger.debug("That was a fault of ours, at one input.", exc_info=error)
    fault = FaultError.of(error)
    fault.__cause__ = error
    return fault


def gpu_too_small(error: torch.OutOfMemoryError) -> ModelError:
    """Return the sentence on it; it keeps nothing that lies in the memory of the GPU."""
    return ModelError(
        f"The memory of the GPU is too small for this batch ({error.args[0]}). Take fewer "
        "frames at a time (--batch-size)."
    )


@contextmanager
def disk_told_apart() -> Iterator[None]:
    """Tell a disk that refuses to read an image, or boxes, from what is wrong with them."""
    try:
        yield
    except DataError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno is not None:
            raise UnreadableError(str(error)) from error
        raise


def not_claimed(claim: Path, error: OSError) -> WriteError:
    """Return the sentence on the file that says who predicts an input."""
    if os.path.lexists(claim):  # left by a process of another user, say
        return WriteError(
            f"{claim} cannot be written: {error.strerror}. It says who predicts this input: if "
            "nobody does any more, delete it; else choose another folder (--out)."
        )
    return WriteError(
        f"{claim.parent} cannot be written: {error.strerror}. Choose another folder (--out), or "
        "make this one writable."
    )
