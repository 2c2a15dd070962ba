"""Recording what a GPU does (CUDA graphs) while other threads have it do other things."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import torch


class Recordings:
    """Lets one thread at a time record, and nobody meanwhile do what would spoil it.

    To wait for a whole GPU is prohibited while anything is recorded on it (CUDA C++ Programming
    Guide, prohibited operations of stream capture), and CUDA may give the recording up, whichever
    thread it was. One was seen to be given up while decoders were made in other threads. Nothing
    that waits for the thread that records may be done within :meth:`disturbing`, nor may recording
    begin there; :meth:`disturbing` within either is let through at once.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._disturbing = 0
        self._wishing = 0
        self._recording = False
        self._own = threading.local()

    @contextmanager
    def recording(self) -> Generator[None]:
        """Wait until nobody disturbs or records; whoever would, waits until this ends."""
        with self._changed:
            self._wishing += 1
            try:
                self._changed.wait_for(lambda: not self._disturbing and not self._recording)
            finally:  # Ctrl+C, perhaps; others wait for those who wish
                self._wishing -= 1
                self._changed.notify_all()
            self._recording = True
        self._own.inside = True
        try:
            yield
        finally:
            self._own.inside = False
            with self._changed:
                self._recording = False
                self._changed.notify_all()

    @contextmanager
    def disturbing(self) -> Generator[None]:
        """Wait until nobody records or wishes to; several threads may disturb at a time."""
        if getattr(self._own, "inside", False):  # the collector lets go of a decoder, perhaps
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._recording and not self._wishing)
            self._disturbing += 1
        self._own.inside = True
        try:
            yield
        finally:
            self._own.inside = False
            with self._changed:
                self._disturbing -= 1
                self._changed.notify_all()


RECORDINGS = Recordings()


def after_failed_recording(device: torch.device, pool: Any) -> None:
    """Put right what torch leaves behind when CUDA has given up a recording.

    Random numbers of the GPU begin anew with their seed.

    Args:
        device: the GPU, as a tensor on it names it.
        pool: of the memory that was recorded with.
    """
    # Else the memory of tensors used on several streams is never free again.
    with suppress(RuntimeError):
        torch._C._cuda_endAllocateToPool(device.index, pool)  # pyright: ignore
    # The generator of random numbers would take the recording to be still going on.
    generator, fresh = torch.cuda.default_generators[device.index], torch.Generator(device)
    fresh.manual_seed(generator.initial_seed())
    generator.graphsafe_set_state(fresh.graphsafe_get_state())
