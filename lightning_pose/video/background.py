"""Working ahead in a thread, so that decoding and the network overlap."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.1


class _End:
    """Lies last in the queue: iteration is over, or broke with an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def in_background(items: Generator[T], *, ahead: int) -> Generator[T]:
    """Yield ``items``, made in a thread that runs at most ``ahead`` items before the consumer.

    An error raised while making an item is raised here, in its place. Closing the iterator early
    (``break``, an error in the consumer) ends the thread.

    Example:
        >>> list(in_background((n * n for n in range(4)), ahead=2))
        [0, 1, 4, 9]
    """
    waiting: queue.Queue[T | _End] = queue.Queue(maxsize=ahead)
    stopped = threading.Event()
    thread = threading.Thread(
        target=_produce, args=(items, waiting, stopped), name="litpose-ahead", daemon=True
    )
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        thread.join()


def _produce(
    items: Generator[T], waiting: queue.Queue[T | _End], stopped: threading.Event
) -> None:
    end = _End()
    try:
        with contextlib.closing(items):
            for item in items:
                if not _put(waiting, item, stopped):
                    break
    except BaseException as error:  # handed to the consumer, which raises it
        end = _End(error)
    _put(waiting, end, stopped)


def _put(waiting: queue.Queue[T | _End], item: T | _End, stopped: threading.Event) -> bool:
    """Put ``item`` in the queue; return False if the consumer has gone."""
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=_POLL_S)
        except queue.Full:
            continue
        return True
    return False
