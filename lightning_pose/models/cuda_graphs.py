"""Replaying a backbone's training pass as CUDA graphs.

A ResNet-50 on 16 images keeps a fast GPU busy for a few milliseconds but takes the host 12 ms to
launch, kernel by kernel. A graph launches the whole pass at once; the numbers stay the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

SHAPES_KEPT = 2  # whole batches, and the last one of an epoch


class TrainingGraphs:
    """A network whose forward and backward passes are captured per input shape.

    A shape is captured when it is first seen, so that a resumed training does from its first step
    on what the uninterrupted one does. The shapes used last are kept. Only passes with a gradient
    are replayed; a network that cannot be captured is run as ever. So is a second pass of one
    shape before the first one's backward pass: a graph has memory for one.

    Args:
        net: a network without control flow that depends on values.
    """

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        self._captured: dict[object, Callable[[Tensor], Tensor]] = {}
        self._waiting: set[object] = set()
        self._possible = True

    def __call__(self, images: Tensor) -> Tensor:
        """Return ``net(images)``."""
        if not (self._possible and images.is_cuda and torch.is_grad_enabled()):
            return self._net(images)
        dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else None
        place = next(self._net.parameters()).data_ptr()  # a moved network needs new graphs
        key = (images.shape, images.dtype, dtype, self._net.training, place)
        if key in self._waiting:
            return self._net(images)
        captured = self._captured.pop(key, None) or self._capture(images, dtype)
        if captured is None:
            return self._net(images)
        self._captured[key] = captured
        while len(self._captured) > SHAPES_KEPT:
            self._captured.pop(next(iter(self._captured)))
        maps = captured(images)
        self._waiting.add(key)
        maps.register_hook(lambda _: self._waiting.discard(key))
        return maps

    def _capture(
        self, images: Tensor, dtype: torch.dtype | None
    ) -> Callable[[Tensor], Tensor] | None:
        """Return the captured pass; batch norm statistics are as before."""
        before = [buffer.clone() for buffer in self._net.buffers()]
        try:
            with torch.autocast(
                "cuda", dtype=dtype, enabled=dtype is not None, cache_enabled=False
            ):
                captured = torch.cuda.make_graphed_callables(_Shell(self._net), (images.clone(),))
        except RuntimeError as error:
            logger.warning("The backbone is trained without CUDA graphs: %s", error)
            self._possible = False
            captured = None
        for buffer, value in zip(self._net.buffers(), before, strict=True):
            buffer.copy_(value)
        return cast("Callable[[Tensor], Tensor] | None", captured)


class _Shell(nn.Module):
    """Takes the patch that capturing puts on ``forward``; the network itself stays whole."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)
