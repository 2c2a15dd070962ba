"""Running the network of a model on batches of video frames, on a CPU or replayed on a GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from lightning_pose.contracts.predictions import Prediction
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.prediction_handler import OnTheWay
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.network_input import NetworkInput

B = TypeVar("B")
_IN_FLIGHT = 4
Outputs = tuple[Tensor, Tensor]


class Network:
    """Calls a tracker; on a GPU as one recorded sequence of kernels a shape of batch.

    Args:
        tracker: in evaluation mode, on the device.
        to_network: makes its input of decoded frames.
        compute: where and in which arithmetic.
        recorded: whether to record what the GPU does and replay it: Python then takes no part.
    """

    def __init__(
        self,
        tracker: BaseSupervisedTracker,
        to_network: NetworkInput,
        compute: Compute,
        *,
        recorded: bool = True,
    ) -> None:
        self.tracker = tracker
        self.compute = compute
        self._to_network = to_network
        self._recorded = recorded and compute.device.type == "cuda"
        self._recordings: dict[tuple[object, ...], _Recording] = {}

    @property
    def in_flight(self) -> int:
        """Return how many results may be on their way while the next batch is computed."""
        return _IN_FLIGHT if self.compute.device.type == "cuda" else 0

    def __call__(
        self, views: Sequence[RawFrames], boxes: Sequence[Tensor | None], *, capacity: int = 0
    ) -> OnTheWay:
        """Return keypoints and confidences of a batch, which may still be on their way.

        Args:
            views: one a camera.
            capacity: frames that most batches have; on a GPU shorter ones are filled up to it.
            boxes: of each view, of all frames of the video; None = whole frames.
        """
        frame_ids = views[0].frame_ids
        if self._recorded and all(box is None for box in boxes):
            xy, confidence = self._replay(views, capacity)
        else:
            xy, confidence = self._predict(views, boxes)
        number = len(frame_ids)
        return OnTheWay.sent(frame_ids, xy[:number], confidence[:number])

    def _predict(self, views: Sequence[RawFrames], boxes: Sequence[Tensor | None]) -> Outputs:
        return self.tracker.predict_batch(self._to_network(views, boxes))

    def _replay(self, views: Sequence[RawFrames], capacity: int) -> Outputs:
        """Return the outputs for as many frames as were recorded; those beyond the batch vary."""
        first = views[0]
        capacity = max(capacity, len(first.frame_ids))
        key = (*(view.frames.shape[1:] for view in views), first.halo, capacity)
        recording = self._recordings.get(key)
        if recording is None:
            recording = _Recording(views, capacity, lambda held: self._predict(held, ()))
            self._recordings[key] = recording
        return recording.replay(views)


class _Recording:
    """A CUDA graph from decoded frames, copied to a fixed place, to keypoints."""

    def __init__(
        self, views: Sequence[RawFrames], capacity: int, predict: Callable[..., Outputs]
    ) -> None:
        device = torch.device("cuda", torch.cuda.current_device())
        self._held = [_empty(view, capacity, device) for view in views]
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(3):  # kernels are chosen and memory is allocated before recording
                predict(self._held)
        torch.cuda.current_stream(device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads decode meanwhile: what they do must not end the recording.
        with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
            self._outputs = predict(self._held)

    def replay(self, views: Sequence[RawFrames]) -> Outputs:
        """Return the outputs; they are overwritten by the next call."""
        for held, view in zip(self._held, views, strict=True):
            held.frames[: len(view.frames)].copy_(view.frames, non_blocking=True)
            if view.frames.is_cuda:
                view.frames.record_stream(torch.cuda.current_stream(view.frames.device))
        self._graph.replay()
        return self._outputs


def _empty(view: RawFrames, capacity: int, device: torch.device) -> RawFrames:
    shape = (capacity + 2 * view.halo, *view.frames.shape[1:])
    return replace(
        view,
        frames=torch.zeros(shape, dtype=torch.uint8, device=device),
        frame_ids=torch.arange(capacity),
    )


def in_order(
    results: Iterable[tuple[B, OnTheWay | None]], in_flight: int
) -> Iterator[tuple[B, Prediction | None]]:
    """Yield results in order, waiting for each only once so many more have been begun."""
    waiting: deque[tuple[B, OnTheWay | None]] = deque()
    for result in results:
        waiting.append(result)
        if len(waiting) > in_flight:
            yield _waited_for(*waiting.popleft())
    while waiting:
        yield _waited_for(*waiting.popleft())


def _waited_for(batch: B, result: OnTheWay | None) -> tuple[B, Prediction | None]:
    return batch, None if result is None else result.wait()
