"""Means over an epoch, summed on the device without waiting for it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.ops.processes import sums_by_name


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

    def take(self) -> dict[str, Tensor]:
        """Return the mean of each name over all processes, and forget the sums.

        It is NaN where nothing was counted.
        """
        sums = sums_by_name(self._sums)
        self._sums = {}
        return {name: (pair[0] / pair[1]).float() for name, pair in sums.items()}
