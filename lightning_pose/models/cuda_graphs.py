"""Replaying what a network computes in training as CUDA graphs.

A ResNet-50 on 16 images keeps a fast GPU busy for a few milliseconds but takes the host 12 ms to
launch, kernel by kernel. A graph launches the whole pass at once; the numbers stay the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lightning_pose.ops.recording import RECORDINGS, after_failed_recording

logger = logging.getLogger(__name__)

SHAPES_KEPT = 3  # whole batches, the last one of an epoch, and labelled frames without video
_TRIES = 3


class TrainingGraphs:
    """A network whose forward and backward passes are captured per input shape.

    A shape is captured when it is first seen, so that a resumed training does from its first step
    on what the uninterrupted one does. The shapes used last are kept. What a graph returns is
    overwritten by its next replay; the first of several results is the one differentiated.

    Args:
        net: takes tensors and returns one or several, without control flow that depends on values
            or on anything but its arguments, its training mode and which parameters are frozen.
        what: names it in a warning.
    """

    def __init__(self, net: nn.Module, *, what: str) -> None:
        self._net = net
        self._what = what
        self._captured: dict[object, Callable[..., Any]] = {}
        self._waiting: set[object] = set()
        self._possible = True

    def replay(self, *inputs: Tensor) -> Any | None:
        """Return ``net(*inputs)`` from a graph; None where that must be run as ever.

        That is so on a CPU, without a gradient, if the network cannot be captured, and in a second
        pass of one shape before the first one's backward pass: a graph has memory for one.
        """
        if not (self._possible and inputs[0].is_cuda and torch.is_grad_enabled()):
            return None
        dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else None
        key = (tuple((x.shape, x.dtype) for x in inputs), dtype, self._state())
        if key in self._waiting:
            return None
        captured = self._captured.pop(key, None) or self._capture(inputs, dtype)
        if captured is None:
            return None
        self._captured[key] = captured
        while len(self._captured) > SHAPES_KEPT:
            self._captured.pop(next(iter(self._captured)))
        result = captured(*inputs)
        first = result if isinstance(result, Tensor) else result[0]
        self._waiting.add(key)
        first.register_hook(lambda _: self._waiting.discard(key))
        return result

    def _state(self) -> tuple[object, ...]:
        """Return what a graph is bound to besides its inputs; a moved network needs new ones."""
        parameters = list(self._net.parameters())
        modes = tuple(module.training for module in self._net.modules())
        return (
            parameters[0].data_ptr(),
            hash(modes),
            hash(tuple(p.requires_grad for p in parameters)),
        )

    def _capture(
        self, inputs: tuple[Tensor, ...], dtype: torch.dtype | None
    ) -> Callable[..., Any] | None:
        """Return the captured pass, or None if that is not possible.

        CUDA may give a capture up for what another thread does meanwhile, so it is tried again at
        once: without graphs the same training would not end with the same bits.
        """
        reason: RuntimeError | None = None
        for _ in range(_TRIES):
            try:
                return self._captured_once(inputs, dtype)
            except RuntimeError as error:
                logger.debug("A capture was given up: %s", error)
                reason = error
        logger.warning("%s is trained without CUDA graphs: %s", self._what, reason)
        self._possible = False
        return None

    def _captured_once(
        self, inputs: tuple[Tensor, ...], dtype: torch.dtype | None
    ) -> Callable[..., Any]:
        """Return the captured pass; batch norm statistics and random numbers are as before.

        Raises:
            RuntimeError: CUDA has given it up.
        """
        before = [buffer.clone() for buffer in self._net.buffers()]
        random = torch.cuda.get_rng_state(inputs[0].device)
        samples = tuple(x.detach().clone() for x in inputs)
        pool, device = torch.cuda.graph_pool_handle(), inputs[0].device
        try:
            with (
                RECORDINGS.recording(),
                torch.cuda.stream(torch.cuda.current_stream(device)),
                torch.autocast(
                    "cuda", dtype=dtype, enabled=dtype is not None, cache_enabled=False
                ),
            ):
                captured: Any = torch.cuda.make_graphed_callables(
                    _Shell(self._net), samples, pool=pool
                )
        except RuntimeError:
            after_failed_recording(device, pool)
            raise
        finally:
            torch.cuda.set_rng_state(random, device)
            for buffer, value in zip(self._net.buffers(), before, strict=True):
                buffer.copy_(value)
        return captured


class _Shell(nn.Module):
    """Takes the patch that capturing puts on ``forward``; the network itself stays whole."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> Any:
        return self.net(*inputs)
