"""Finding something out about a file once, as long as the file stays the same."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def once_per_file(*, kept: int) -> Callable[[Callable[[Path], T]], Callable[[Path], T]]:
    """Return a decorator for functions of a file, which are called again only once it changes.

    One thread at a time calls the function: what another one is about to find out is waited for,
    not found out twice. Errors are not remembered.

    Args:
        kept: results that are remembered, those asked for last.
    """

    def decorator(find: Callable[[Path], T]) -> Callable[[Path], T]:
        one_at_a_time = threading.Lock()

        @functools.lru_cache(maxsize=kept)
        def found(path: Path, *state: int) -> T:
            return find(path)

        @functools.wraps(find)
        def of(path: Path) -> T:
            try:
                now = path.stat()
            except OSError:
                return find(path)  # which says why it cannot be
            with one_at_a_time:
                return found(path, now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns)

        return of

    return decorator
