"""Running a network over many batches with all cores, or on a GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from lightning_pose.inference.compute import Compute
from lightning_pose.inference.failures import gpu_too_small

B = TypeVar("B")
R = TypeVar("R")

_MOST_WORKERS = 16  # beyond, threads wait for Python's lock more than they compute


def run_batches(work: Callable[[B], R], batches: Iterable[B], *, compute: Compute) -> Generator[R]:
    """Yield ``work(batch)`` for each batch, in order, without gradients and in the arithmetic set.

    On a CPU every core takes a batch of its own. That is as fast as sharing each batch when the
    machine is idle, and ten times as fast when it is not: cores that share a batch wait for the
    slowest of them after every layer.

    Args:
        work: calls the network; is called from several threads at once.
        batches: are asked for from the calling thread, a few more than are yielded.
        compute: where and in which arithmetic.

    Raises:
        ModelError: the memory of the GPU is too small for a batch.
    """

    def predicted(batch: B) -> R:
        try:
            with torch.inference_mode(), compute.active():
                return work(batch)
        except torch.OutOfMemoryError as error:
            raise gpu_too_small(error) from error

    cores = torch.get_num_threads()
    if compute.device.type != "cpu" or cores == 1:
        yield from map(predicted, batches)
        return
    workers = min(cores, _MOST_WORKERS)
    pool = ThreadPoolExecutor(
        workers, "litpose-predict", torch.set_num_threads, (cores // workers,)
    )
    waiting: deque[Future[R]] = deque()
    try:
        for batch in batches:
            waiting.append(pool.submit(predicted, batch))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)  # what the workers set is also the default of new threads
