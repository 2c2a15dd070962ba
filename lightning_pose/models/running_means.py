"""Means over an epoch, summed on the device without waiting for it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


class RunningMeans:
    """Named sums and counts, until :meth:`take` gives the means and starts again."""

    def __init__(self) -> None:
        self._sums: dict[str, Float[Tensor, " 2"]] = {}

    def add(self, name: str, total: Float[Tensor, ""], count: Tensor | int) -> None:
        """Add ``total``, the sum of ``count`` values."""
        total = total.detach().double()
        number = count.double() if isinstance(count, Tensor) else total.new_full((), count)
        pair = torch.stack([total, number])
        self._sums[name] = self._sums[name] + pair if name in self._sums else pair

    def take(self, gather: Callable[[Tensor], Tensor] = lambda sums: sums) -> dict[str, Tensor]:
        """Return the mean of each name, NaN where nothing was counted, and forget the sums.

        Args:
            gather: adds a tensor up over all processes.
        """
        sums = {name: gather(pair) for name, pair in self._sums.items()}
        self._sums = {}
        return {name: (pair[0] / pair[1]).float() for name, pair in sums.items()}
