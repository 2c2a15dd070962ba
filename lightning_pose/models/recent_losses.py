"""Finding the batch whose loss broke, without making the device wait in every step."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

STEPS_REMEMBERED = 256


@dataclass(frozen=True)
class BrokenStep:
    """A training step whose loss was not a finite number.

    Attributes:
        loss: NaN or infinite.
        row_ids: rows of the label table that the batch was made of.
        with_video: whether there were unlabelled frames as well.
    """

    loss: float
    row_ids: tuple[int, ...]
    with_video: bool = False


class RecentLosses:
    """The losses of the latest training steps, on the device, with the rows they came from."""

    def __init__(self) -> None:
        self._steps: deque[tuple[Tensor, Tensor, bool]] = deque(maxlen=STEPS_REMEMBERED)

    def add(
        self, loss: Float[Tensor, ""], row_ids: Int[Tensor, " b"], *, with_video: bool = False
    ) -> None:
        """Remember a step."""
        self._steps.append((loss.detach(), row_ids, with_video))

    @property
    def last_row_ids(self) -> Int[Tensor, " b"] | None:
        """Return the rows of the last step."""
        return self._steps[-1][1] if self._steps else None

    def take_broken_step(self) -> BrokenStep | None:
        """Return the first broken one of the steps remembered, and forget them all.

        Waits for the device.
        """
        steps = list(self._steps)
        self._steps.clear()
        if not steps:
            return None
        losses = torch.stack([loss for loss, _, _ in steps]).cpu()
        for loss, (_, row_ids, with_video) in zip(losses.tolist(), steps, strict=True):
            if not math.isfinite(loss):
                return BrokenStep(loss, tuple(row_ids.tolist()), with_video)
        return None
