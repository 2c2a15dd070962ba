"""Threads that decode: several stretches of a video or several videos at once."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from lightning_pose.inference.failures import failure_of
from lightning_pose.inference.work import Views, Work
from lightning_pose.video.segments import DamagedError

# Batches of a thread that nobody has taken from the queue; a limit for each, so that no thread
# that is ahead keeps the others from going on.
_AHEAD = 3
_ASIDE = 2  # of what needs no decoder, for all threads
_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class DecodedBatch:
    """What a decoding thread delivers: frames, an error, or (neither) the end of a stretch.

    Attributes:
        work: which it is of.
        attempt: of reading the work; batches of an earlier one count no more.
        views: the frames, one item a camera.
        error: why there are no more.
        room: is given back when the batch is taken from the queue.
    """

    work: Work
    attempt: int
    views: Views | None = None
    error: BaseException | None = None
    room: threading.Semaphore | None = None

    @property
    def outdated(self) -> bool:
        """Return whether its work has failed or was begun anew meanwhile."""
        return self.attempt != self.work.attempt or self.work.failed is not None


@dataclass(frozen=True)
class Aside:
    """What came among the works and needs no decoder, on its way to who takes the batches."""

    item: Any


class _ThreadEnded:
    """Is put into the queue by a decoding thread that found nothing more to do."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Decoding:
    """Decodes works in threads of its own, each a few batches ahead of who takes them.

    Args:
        works: asked for, one at a time, when a thread has nothing else to do, and from it. What is
            no work is handed on.
        threads: how many.
    """

    def __init__(self, works: Iterable[Any], *, threads: int) -> None:
        self._works = iter(works)
        self._number = threads
        self._queue: queue.Queue[DecodedBatch | Aside | _ThreadEnded] = queue.Queue()
        # The works may be long in coming: who asks for one holds this lock, never the other.
        self._asking = threading.Lock()
        self._lock = threading.Lock()
        self._to_read: list[Work] = []
        self._room_aside = threading.Semaphore(_ASIDE)
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._running = 0  # threads whose end was not seen by who takes the batches
        self._reading = 0  # threads that will look for another stretch

    def batches(self) -> Iterator[DecodedBatch | Aside]:
        """Yield what the threads deliver, in the order in which it comes, until all have ended."""
        with self._lock:
            for _ in range(self._number):
                self._start()
        waited_s = 0.0
        while self._running:
            before = time.perf_counter()
            batch = self._queue.get()
            waited_s += time.perf_counter() - before
            if isinstance(batch, _ThreadEnded):
                self._running -= 1
                if batch.error is not None:
                    raise batch.error
                continue
            if isinstance(batch, Aside):
                self._room_aside.release()
                yield batch
                continue
            batch.work.waited_s += waited_s
            waited_s = 0.0
            if isinstance(batch.error, DamagedError) and not batch.outdated:
                try:
                    self._begin_as_a_whole(batch.work, batch.error)
                    continue
                except Exception as error:  # told of with the outcome of this work
                    batch = replace(batch, error=failure_of(error))
            if batch.room is not None:
                batch.room.release()
            yield batch

    def ended(self, work: Work) -> bool:
        """Count a stretch that was read to its end; tell whether it was the last one."""
        with self._lock:
            work.decoding -= 1
            return work.all_taken and not work.decoding

    def stop(self) -> None:
        """End the threads, and wait for it."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _begin_as_a_whole(self, work: Work, error: DamagedError) -> None:
        with self._lock:
            work.begin_as_a_whole(error)
            if work not in self._to_read:  # as it is where stretches of it were not taken yet
                self._to_read.append(work)
            if self._reading < self._number:
                self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._decode, name="litpose-decode", daemon=True)
        self._threads.append(thread)
        self._running += 1
        self._reading += 1
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

    def _read(self, last: DecodedBatch, batches: Generator[Views]) -> bool:
        """Put the batches of a stretch into the queue; return False if nobody wants them."""
        try:
            self._put_batches(last, batches)
        except Exception as error:  # told of with the outcome of this work
            self._queue.put(replace(last, error=failure_of(error)))
        else:
            self._queue.put(last)
        return not self._stopped.is_set()

    def _put_batches(self, last: DecodedBatch, batches: Generator[Views]) -> None:
        work, whole = last.work, not last.work.segments
        room = threading.Semaphore(_AHEAD)
        with contextlib.closing(batches):
            while self._wait_for(room) and (views := next(batches, None)) is not None:
                if last.outdated:
                    break
                if whole and work.has(views):
                    room.release()
                    continue
                self._queue.put(replace(last, views=views, room=room))

    def _next_stretch(self) -> tuple[DecodedBatch, Generator[Views]] | None:
        """Return what is to be read next; None = nothing."""
        while not self._stopped.is_set():
            with self._lock:
                stretch = self._stretch_of_works()
            if stretch is not None:
                return stretch
            with self._asking:
                if self._to_read:  # another thread has got a work meanwhile
                    continue
                work = next(self._works, None)
                if work is None:
                    with self._lock:
                        if self._to_read:  # one has to be read as a whole
                            continue
                        self._reading -= 1
                    return None
                if isinstance(work, Work):
                    with self._lock:
                        self._to_read.append(work)
                elif self._wait_for(self._room_aside):
                    self._queue.put(Aside(work))
        return None

    def _stretch_of_works(self) -> tuple[DecodedBatch, Generator[Views]] | None:
        """Return the next stretch of the works that were begun; None = all are taken."""
        while self._to_read:
            work = self._to_read[0]
            if work.failed is not None:
                self._to_read.pop(0)
                continue
            work.decoding += 1
            last = DecodedBatch(work=work, attempt=work.attempt)
            if work.all_taken:  # an earlier call had predicted everything
                self._to_read.pop(0)
                return last, (views for views in ())
            segments = work.next_stretch(self._number)
            if work.all_taken:
                self._to_read.pop(0)
            return last, work.source.read(segments)
        return None

    def _wait_for(self, room: threading.Semaphore) -> bool:
        """Wait until enough has been taken; return False if the caller has gone."""
        while not self._stopped.is_set():
            if room.acquire(timeout=_POLL_S):
                return True
        return False
