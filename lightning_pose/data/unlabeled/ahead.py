"""Decoding the sequences of the next steps while the one at hand is trained on."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

BYTES_AT_MOST = 512 * 2**20
_THREADS_AT_MOST = 8
_STEPS_AHEAD = 2  # beyond one for each thread

Decoded = TypeVar("Decoded")


class DecodingAhead(Generic[Decoded]):
    """The sequences of a step and of some ahead, decoded by threads, in half a gigabyte at most.

    One step ahead is decoded whatever its size.

    Args:
        decode: returns the sequence of a step.
        sequence_bytes: what the largest one takes in memory.
        processes: of this machine that share its processors.
    """

    def __init__(
        self, decode: Callable[[int], Decoded], *, sequence_bytes: int, processes: int = 1
    ) -> None:
        self._decode = decode
        threads = min(_THREADS_AT_MOST, max(1, _processors() // 2 // processes))
        self._steps = max(2, min(threads + _STEPS_AHEAD, BYTES_AT_MOST // sequence_bytes))
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="litpose-unlabeled")
        self._ahead: dict[int, Future[Decoded]] = {}

    def take(self, step: int, *, end: int | None) -> Decoded:
        """Return the sequence of a step; those of the next ones are begun, all others forgotten.

        Args:
            step: counted through all epochs.
            end: the step that will not be asked for; None = they go on.
        """
        last = step + self._steps
        wanted = range(step, last if end is None else min(last, end))
        for other in [number for number in self._ahead if number not in wanted]:
            self._ahead.pop(other).cancel()
        for number in wanted:
            if number not in self._ahead:
                self._ahead[number] = self._threads.submit(self._decode, number)
        return self._ahead.pop(step).result()


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
