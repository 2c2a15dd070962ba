"""Running the network of a model on batches of video frames, on a CPU or replayed on a GPU."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from lightning_pose.contracts.batches import VideoBatch
from lightning_pose.contracts.predictions import Prediction
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.prediction_handler import OnTheWay
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.ops.recording import RECORDINGS, after_failed_recording
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.network_input import NetworkInput

B = TypeVar("B")
_logger = logging.getLogger(__name__)
_IN_FLIGHT = 4
_TRIES = 3
Outputs = tuple[Tensor, Tensor]
_Memory = Any  # torch names no type for what a graph is given its memory from


class Network:
    """Calls a tracker; on a GPU as one recorded sequence of kernels a size of batch.

    Args:
        tracker: in evaluation mode, on the device.
        to_network: makes its input of decoded frames.
        compute: where and in which arithmetic.
    """

    def __init__(
        self, tracker: BaseSupervisedTracker, to_network: NetworkInput, compute: Compute
    ) -> None:
        self.tracker = tracker
        self.compute = compute
        self._to_network = to_network
        self._on_gpu = compute.device.type == "cuda"
        self._recordings: dict[tuple[int, int], _Recording] = {}
        self._memory: _Memory | None = None
        self._tries = _TRIES

    @property
    def in_flight(self) -> int:
        """Return how many results may be on their way while the next batch is computed."""
        return _IN_FLIGHT if self._on_gpu else 0

    def __call__(
        self, views: Sequence[RawFrames], boxes: Sequence[Tensor | None], *, capacity: int = 0
    ) -> OnTheWay:
        """Return keypoints and confidences of a batch, which may still be on their way.

        Args:
            views: one a camera.
            boxes: of each view, of all frames of the video; None = whole frames.
            capacity: frames that most batches have; on a GPU shorter ones are filled up to it.
        """
        for view in views:
            if view.frames.is_cuda:  # no decoder may write there before they are read
                view.frames.record_stream(torch.cuda.current_stream(view.frames.device))
        batch = self._to_network(views, boxes)
        number = len(batch.frame_ids)
        if self._on_gpu:
            xy, confidence = self._replay(batch, max(capacity, number))
        else:
            xy, confidence = self.tracker.predict_batch(batch)
        return OnTheWay.sent(batch.frame_ids, xy[:number], confidence[:number])

    def _replay(self, batch: VideoBatch, capacity: int) -> Outputs:
        """Return the outputs for as many frames as were recorded; those beyond the batch vary."""
        key = (capacity, batch.halo)
        recording = self._recordings.get(key)
        if recording is None:
            recording = _Recording(batch, capacity, self.tracker.predict_batch)
            if not self._tries or not self._recorded(recording, batch.frames.device):
                return recording.call(batch)
            self._recordings[key] = recording
        return recording.replay(batch)

    def _recorded(self, recording: _Recording, device: torch.device) -> bool:
        """Record, and tell whether that went well; if not, it is tried again with other batches.

        CUDA gives a recording up if somebody else's thread waits for the whole GPU meanwhile.
        """
        self._memory = self._memory or torch.cuda.graph_pool_handle()
        try:
            recording.record(self._memory)
        except RuntimeError as error:
            after_failed_recording(device, self._memory)
            self._memory = None
            if isinstance(error, torch.OutOfMemoryError):
                raise
            self._tries -= 1
            _logger.debug("A recording was given up: %s", error)
            if not self._tries:
                _logger.warning(
                    "The network's kernels cannot be recorded, so it runs more slowly: %s", error
                )
            return False
        return True


class _Recording:
    """A CUDA graph from the network's input, copied to a fixed place, to keypoints.

    Args:
        batch: an example.
        capacity: frames to record for.
        predict: what is recorded.
    """

    def __init__(
        self, batch: VideoBatch, capacity: int, predict: Callable[[VideoBatch], Outputs]
    ) -> None:
        self._predict = predict
        self._held = _empty(batch, capacity)
        self._graph: torch.cuda.CUDAGraph
        self._outputs: Outputs

    def record(self, memory: _Memory) -> None:
        """Record a call.

        Args:
            memory: shared with other recordings: only one is replayed at a time, and what it says
                is copied before the next one.

        Raises:
            RuntimeError: CUDA has given it up, or there is too little memory.
        """
        device = self._held.frames.device
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(3):  # kernels are chosen and memory is allocated before recording
                self._predict(self._held)
        torch.cuda.current_stream(device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads decode meanwhile: what they do must not end the recording. Where it fails,
        # the context of torch before 2.15 leaves its stream the current one.
        with (
            RECORDINGS.recording(),
            torch.cuda.stream(stream),
            torch.cuda.graph(
                self._graph, pool=memory, stream=stream, capture_error_mode="thread_local"
            ),
        ):
            self._outputs = self._predict(self._held)

    def replay(self, batch: VideoBatch) -> Outputs:
        """Return the outputs; they are overwritten by the next call."""
        self._hold(batch)
        self._graph.replay()
        return self._outputs

    def call(self, batch: VideoBatch) -> Outputs:
        """Return the outputs, computed as they would be recorded: of as many frames."""
        self._hold(batch)
        return self._predict(self._held)

    def _hold(self, batch: VideoBatch) -> None:
        self._held.frames[: len(batch.frames)].copy_(batch.frames)
        self._held.net_to_image[: len(batch.frame_ids)].copy_(batch.net_to_image)


def _empty(batch: VideoBatch, capacity: int) -> VideoBatch:
    """Return zeros like a batch, for so many frames, channels-last in memory."""
    _, views, channels, height, width = batch.frames.shape
    like = {"dtype": batch.frames.dtype, "device": batch.frames.device}
    frames = torch.zeros(capacity + 2 * batch.halo, views, height, width, channels, **like)
    return VideoBatch(
        frames=frames.permute(0, 1, 4, 2, 3),
        net_to_image=batch.net_to_image.new_zeros(capacity, views, 2, 3),
        frame_ids=torch.arange(capacity),
        halo=batch.halo,
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
