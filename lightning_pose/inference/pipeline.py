"""Decoding and the network at work at the same time, over many videos.

Threads decode, several stretches of a video or several videos at once, each a few batches ahead of
the network. One thread, the caller's, runs the network on them in the order in which they come,
and hands each result to the work it belongs to. Frames carry their numbers, so that no
order matters; batches are cut by the file and the batch size alone, so that a result does not
hang on how many threads there are, or on where an earlier call was stopped.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from torch import Tensor

from lightning_pose.contracts.errors import LitposeError
from lightning_pose.contracts.predictions import Prediction
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.network import in_order
from lightning_pose.inference.parallel import run_batches
from lightning_pose.inference.prediction_handler import OnTheWay
from lightning_pose.inference.progress import Progress
from lightning_pose.inference.work import Views, Work
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.segments import DamagedError

# An H200 decodes with seven engines. A CPU's cores are for the network; two threads keep it fed.
GPU_DECODERS, _CPU_DECODERS = 8, 2
# Batches of a thread that the network has not taken. A limit for each thread, because on a GPU
# memory that one decoder's stream has used is of no use to another's.
_AHEAD = 3
_POLL_S = 0.1
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


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What became of a work.

    Attributes:
        work: it.
        num_frames: rows in its store.
        failed: why it could not be predicted; None = it was.
    """

    work: Work
    num_frames: int = 0
    failed: LitposeError | None = None


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """What a decoding thread delivers: frames, an error, or (neither) the end of a stretch."""

    work: Work
    attempt: int
    views: Views | None = None
    error: BaseException | None = None
    room: threading.Semaphore | None = None

    def taken(self) -> _Batch:
        """Return the same without its frames, and let its thread decode the next ones."""
        if self.room is not None:
            self.room.release()
        return replace(self, views=None, room=None)


class _ThreadEnded:
    """Is put into the queue by a decoding thread that found nothing more to do."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Pipeline:
    """Predicts one work after the other, and several at a time where that keeps it busy.

    Args:
        network: runs the tracker.
        decoders: threads that decode.
    """

    def __init__(self, network: VideoNetwork, *, decoders: int) -> None:
        self._network = network
        self._decoders = decoders
        self._queue: queue.Queue[_Batch | _ThreadEnded] = queue.Queue()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._works: Iterator[Work] = iter(())
        self._to_read: list[Work] = []
        self._failed: set[Work] = set()

    @classmethod
    def on(cls, network: VideoNetwork) -> Pipeline:
        """Return a pipeline with as many threads as suit the device of the network."""
        on_gpu = network.compute.device.type == "cuda"
        wished = GPU_DECODERS if on_gpu else _CPU_DECODERS
        return cls(network, decoders=min(wished, os.cpu_count() or 1))

    def run(self, works: Iterable[Work], on_progress: OnWork | None = None) -> Iterator[Finished]:
        """Yield what became of each work, in the order in which they end.

        Args:
            works: asked for, one at a time, when a decoding thread has nothing else to do, and
                from that thread.
            on_progress: is told how far a work is after each of its batches.
        """
        self._works = iter(works)
        try:
            for _ in range(self._decoders):
                self._start_decoding()
            computed = run_batches(self._computed, self._batches(), compute=self._network.compute)
            for batch, result in in_order(computed, self._network.in_flight):
                yield from self._hand_in(batch, result, on_progress)
        finally:
            self._stopped.set()
            for thread in self._threads:
                thread.join()

    def _hand_in(
        self, batch: _Batch, result: Prediction | None, on_progress: OnWork | None
    ) -> Iterator[Finished]:
        work = batch.work
        if batch.attempt != work.attempt or work in self._failed:
            return
        if batch.error is not None:
            self._failed.add(work)
            yield Finished(work=work, failed=_readable(batch.error))
        elif result is not None:
            try:
                work.take(result)
            except LitposeError as error:  # its rows cannot be kept, on a full disk say
                self._failed.add(work)
                yield Finished(work=work, failed=error)
                return
            if on_progress is not None:
                on_progress(work, progress_of(work))
        elif self._ended(work):
            yield _finished(work)

    def _ended(self, work: Work) -> bool:
        """Count a stretch that was read to its end; tell whether it was the last one."""
        with self._lock:
            work.decoding -= 1
            return work.all_taken and not work.decoding

    def _computed(self, batch: _Batch) -> tuple[_Batch, OnTheWay | None]:
        if batch.views is None or batch.work in self._failed:
            return batch.taken(), None
        try:
            result = self._network(
                batch.views, batch.work.boxes, capacity=batch.work.source.batch_size
            )
        except LitposeError as error:
            return replace(batch.taken(), error=error), None
        return batch.taken(), result

    def _batches(self) -> Iterator[_Batch]:
        """Yield what decoding threads deliver, until all of them have ended."""
        while self._running:
            before = time.perf_counter()
            batch = self._queue.get()
            if isinstance(batch, _ThreadEnded):
                self._running -= 1
                if batch.error is not None:
                    raise batch.error
                continue
            batch.work.waited_s += time.perf_counter() - before
            if isinstance(batch.error, DamagedError) and batch.attempt == batch.work.attempt:
                with self._lock:
                    batch.work.begin_as_a_whole()
                    self._to_read.append(batch.work)
                self._start_decoding()
                continue
            yield batch

    def _start_decoding(self) -> None:
        thread = threading.Thread(target=self._decode, name="litpose-decode", daemon=True)
        self._threads.append(thread)
        self._running += 1
        thread.start()

    def _decode(self) -> None:
        """Read one stretch after the other, in a thread of its own."""
        end = _ThreadEnded()
        try:
            while (stretch := self._next_stretch()) is not None:
                if not self._read(*stretch):
                    break
        except BaseException as error:  # raised again in the thread of the caller
            end = _ThreadEnded(error)
        self._queue.put(end)

    def _read(self, last: _Batch, batches: Generator[Views]) -> bool:
        """Put the batches of a stretch into the queue; return False if nobody wants them."""
        work, whole = last.work, not last.work.segments
        room = threading.Semaphore(_AHEAD)
        try:
            with contextlib.closing(batches):
                while self._wait_for(room) and (views := next(batches, None)) is not None:
                    if work.attempt != last.attempt or work in self._failed:
                        break
                    if whole and work.has(views):
                        room.release()
                        continue
                    self._queue.put(replace(last, views=views, room=room))
        except Exception as error:  # told of with the outcome of this work
            last = replace(last, error=error)
        self._queue.put(last)
        return not self._stopped.is_set()

    def _next_stretch(self) -> tuple[_Batch, Generator[Views]] | None:
        """Return what is to be read next; None = nothing."""
        with self._lock:
            while not self._stopped.is_set():
                if not self._to_read:
                    work = next(self._works, None)
                    if work is None:
                        return None
                    self._to_read.append(work)
                work = self._to_read[0]
                if work in self._failed:
                    self._to_read.pop(0)
                    continue
                work.decoding += 1
                last = _Batch(work=work, attempt=work.attempt)
                if work.all_taken:  # an earlier call had predicted everything
                    self._to_read.pop(0)
                    return last, (views for views in ())
                segments = work.next_stretch(self._decoders)
                if work.all_taken:
                    self._to_read.pop(0)
                return last, work.source.read(segments)
        return None

    def _wait_for(self, room: threading.Semaphore) -> bool:
        """Wait until the network has taken enough; return False if the caller has gone."""
        while not self._stopped.is_set():
            if room.acquire(timeout=_POLL_S):
                return True
        return False


def progress_of(work: Work) -> Progress:
    """Return how far a work has come."""
    return Progress(
        done=work.taken,
        total=work.total,
        seconds=time.perf_counter() - work.started,
        waited_s=work.waited_s,
    )


def _finished(work: Work) -> Finished:
    try:
        return Finished(work=work, num_frames=work.finish())
    except LitposeError as error:
        return Finished(work=work, failed=error)


def _readable(error: BaseException) -> LitposeError:
    """Return an error that is to be told; raise one that is a fault of this program."""
    if isinstance(error, LitposeError):
        return error
    raise error
