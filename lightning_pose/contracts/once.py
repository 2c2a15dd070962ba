"""Finding something out once, whichever thread asks first."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Once(Generic[P, T]):
    """A decorator: results are remembered, and one thread at a time looks for one.

    ``functools.cache`` lets threads that ask at the same moment each call the function. What is
    known already is told without waiting. Errors are not remembered.

    Args:
        find: a function whose arguments can be hashed.
        within: is entered by whoever looks for one or waits for who does, before anything else.
            A function that waited for it itself would, where others ask from within it, wait
            for those who wait for it.
    """

    def __init__(
        self,
        find: Callable[P, T],
        *,
        within: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._find = find
        self._within = within
        self._known: dict[Hashable, T] = {}
        self._one_at_a_time = threading.RLock()
        functools.update_wrapper(self, find)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returned for these arguments; call it if it never was."""
        key = (args, tuple(sorted(kwargs.items())))
        if key not in self._known:
            with self._within(), self._one_at_a_time:
                if key not in self._known:
                    self._known[key] = self._find(*args, **kwargs)
        return self._known[key]

    def cache_clear(self) -> None:
        """Forget all results."""
        self._known.clear()
