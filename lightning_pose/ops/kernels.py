"""Kernels in Triton, where they can be had: elsewhere torch does the same in more steps."""

from __future__ import annotations

import functools
import importlib
import logging
import subprocess
from contextlib import suppress
from typing import Any

import torch

from lightning_pose.contracts.once import Once
from lightning_pose.ops.recording import RECORDINGS

_logger = logging.getLogger(__name__)


@functools.cache
def kernel_module(name: str, device: torch.device) -> Any | None:
    """Return a module of this room that is written in Triton; None where it would not run.

    Args:
        name: of the module.
        device: of the tensors that it is wanted for.
    """
    if device.type != "cuda" or why_no_kernels(device.index) is not None:
        return None
    return importlib.import_module(f"{__package__}.{name}")


@functools.partial(Once, within=RECORDINGS.disturbing)
def why_no_kernels(gpu: int) -> str | None:
    """Return why Triton can do nothing on a GPU, in one sentence; None if it can.

    Triton is not on every machine; where it is, it needs a C compiler and a GPU that it knows. So
    a kernel is tried.

    Args:
        gpu: its number.
    """
    if not torch.cuda.is_available():
        return "There is no GPU here."
    try:
        trial = importlib.import_module(f"{__package__}.trial_kernels")
        works = trial.works(torch.device("cuda", gpu))
    except ImportError as error:
        return f"Triton is not installed ({error})."
    except kernel_errors() as error:
        works, reason = False, (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    else:
        reason = "what it computes is wrong"
    if works:
        return None
    why = f"Triton does not work on this GPU: {reason}."
    _logger.warning("%s Torch does what its kernels would have done, and takes longer.", why)
    return why


def kernel_errors() -> tuple[type[Exception], ...]:
    """Return the kinds of errors that starting a kernel may raise."""
    kinds: tuple[type[Exception], ...] = (RuntimeError, OSError, subprocess.CalledProcessError)
    with suppress(ImportError):
        triton: Any = importlib.import_module("triton.errors")
        kinds += (triton.TritonError,)
    return kinds
