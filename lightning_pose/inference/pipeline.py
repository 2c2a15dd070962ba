"""Decoding and the network at work at the same time, over many videos.

Threads decode, several stretches of a video or several videos at once, each a few batches ahead of
the network. It computes batches in the order in which they come: on a GPU in the caller's thread,
on a CPU in threads of its own. The caller's thread hands each result to the work it belongs to.
Frames carry their numbers, so that no order matters; batches are cut by the file, the model's
context and the batch size alone, so that a result does not hang on how many threads there are, or
on where an earlier call was stopped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

from lightning_pose.contracts.predictions import Prediction
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.decoding import Aside, DecodedBatch, Decoding
from lightning_pose.inference.failures import failure_of
from lightning_pose.inference.network import in_order
from lightning_pose.inference.parallel import run_batches
from lightning_pose.inference.prediction_handler import OnTheWay
from lightning_pose.inference.progress import Progress
from lightning_pose.inference.work import Work
from lightning_pose.video.batching import RawFrames

# An H200 decodes with seven engines. A CPU's cores are for the network; two threads keep it fed.
_GPU_DECODERS, _CPU_DECODERS = 8, 2
T = TypeVar("T")
OnWork = Callable[[Work, Progress], None]


@runtime_checkable
class VideoNetwork(Protocol):
    """What a pipeline feeds decoded frames to, as the network of a model.

    Attributes:
        compute: where it runs.
        in_flight: how many results may be on their way while the next batch is computed.
    """

    compute: Compute

    @property
    def in_flight(self) -> int:
        """Return how many results may be on their way."""
        ...

    def __call__(
        self, views: Sequence[RawFrames], boxes: Sequence[Tensor | None], *, capacity: int = 0
    ) -> OnTheWay:
        """Return the result of a batch, which may still be on its way."""
        ...


class Pipeline:
    """Predicts one work after the other, and several at a time where that keeps it busy.

    Args:
        network: runs the tracker.
        decoders: threads that decode.
    """

    def __init__(self, network: VideoNetwork, *, decoders: int) -> None:
        self._network = network
        self._decoders = decoders

    @classmethod
    def on(cls, network: VideoNetwork) -> Pipeline:
        """Return a pipeline with as many threads as suit the device of the network."""
        return cls(network, decoders=num_decoders(network.compute.device.type))

    def run(
        self, works: Iterable[Work | T], on_progress: OnWork | None = None
    ) -> Iterator[Work | T]:
        """Yield each work when it has ended, well or not (see its ``failed``).

        What comes among the works and is none is handed on as it is, in its turn.

        Args:
            works: asked for, one at a time, when a decoding thread has nothing else to do, and
                from that thread.
            on_progress: is told how far a work is after each of its batches.
        """
        decoding = Decoding(works, threads=self._decoders)
        try:
            computed = run_batches(
                self._computed, decoding.batches(), compute=self._network.compute
            )
            for batch, result in in_order(computed, self._network.in_flight):
                if isinstance(batch, Aside):
                    yield batch.item
                elif not batch.outdated and self._ends(batch, result, decoding, on_progress):
                    yield batch.work
        finally:
            decoding.stop()

    def _ends(
        self,
        batch: DecodedBatch,
        result: Prediction | None,
        decoding: Decoding,
        on_progress: OnWork | None,
    ) -> bool:
        """Hand a batch in to its work; tell whether the work has ended with it."""
        work = batch.work
        try:
            if batch.error is not None:
                raise batch.error
            if result is not None:
                work.take(result)
            elif decoding.ended(work):
                work.finish()
                return True
        except Exception as error:  # told of with the outcome of this work
            work.failed = failure_of(error)
            return True
        if result is not None and on_progress is not None:
            on_progress(work, progress_of(work))
        return False

    def _computed(
        self, batch: DecodedBatch | Aside
    ) -> tuple[DecodedBatch | Aside, OnTheWay | None]:
        if isinstance(batch, Aside):
            return batch, None
        if batch.views is None or batch.work.failed is not None:
            return replace(batch, views=None), None
        try:
            result = self._network(
                batch.views, batch.work.boxes, capacity=batch.work.source.batch_size
            )
        except Exception as error:  # told of with the outcome of this work
            return replace(batch, views=None, error=failure_of(error)), None
        return replace(batch, views=None), result


def num_decoders(device_type: str) -> int:
    """Return how many threads decode where a network runs on a device of this type (``cuda``)."""
    return min(_GPU_DECODERS if device_type == "cuda" else _CPU_DECODERS, os.cpu_count() or 1)


def progress_of(work: Work) -> Progress:
    """Return how far a work has come."""
    return Progress(
        done=work.taken,
        total=work.total,
        seconds=time.perf_counter() - work.started,
        waited_s=work.waited_s,
        kept=work.kept,
    )
