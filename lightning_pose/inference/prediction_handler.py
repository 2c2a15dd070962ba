"""Collecting what a network says, batch by batch, into one table."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_pose.contracts.predictions import Prediction, Predictions

_IN_FLIGHT = 8


@dataclass(frozen=True)
class _Copy:
    """A result on its way from the device; a GPU has delivered it once ``arrived`` happens."""

    xy_img: Tensor
    confidence: Tensor
    frame_ids: Tensor
    arrived: torch.cuda.Event | None


class PredictionHandler:
    """Takes predicted batches in any order and assembles them by frame number.

    Results of a GPU are copied back while it works on the next batches: nothing waits for a batch
    until eight more have been queued.

    Args:
        keypoint_names: of one view, in column order.
        num_views: cameras whose keypoints lie side by side in each batch.
    """

    def __init__(self, keypoint_names: Sequence[str], *, num_views: int = 1) -> None:
        self.keypoint_names = tuple(keypoint_names)
        self.num_views = num_views
        self.num_frames = 0
        self._done: list[Prediction] = []
        self._on_the_way: deque[_Copy] = deque()

    def add(
        self,
        frame_ids: Int[Tensor, " n"],
        xy_img: Float[Tensor, "n k 2"],
        confidence: Float[Tensor, "n k"],
    ) -> None:
        """Take the results of one batch, wherever they lie."""
        self.num_frames += len(frame_ids)
        arrived = torch.cuda.Event() if xy_img.is_cuda else None
        copies = [_to_host(tensor) for tensor in (xy_img.float(), confidence.float(), frame_ids)]
        if arrived is not None:
            arrived.record()
        self._on_the_way.append(_Copy(copies[0], copies[1], copies[2], arrived))
        if arrived is None or len(self._on_the_way) > _IN_FLIGHT:
            self._take()

    def predictions(self, *, num_frames: int | None = None, run_id: str = "") -> list[Predictions]:
        """Return one table a view, ordered by frame number.

        Args:
            num_frames: how many frames there must be, each exactly once; None = not checked.
            run_id: which run made the model.

        Raises:
            VideoError: a frame is missing or was predicted twice.
        """
        while self._on_the_way:
            self._take()
        k = len(self.keypoint_names)
        return [
            Predictions.from_batches(
                [_columns(part, slice(view * k, (view + 1) * k)) for part in self._done],
                keypoint_names=self.keypoint_names,
                num_frames=num_frames,
                run_id=run_id,
            )
            for view in range(self.num_views)
        ]

    def _take(self) -> None:
        copy = self._on_the_way.popleft()
        if copy.arrived is not None:
            copy.arrived.synchronize()
        self._done.append(
            Prediction(
                xy_img=copy.xy_img.numpy().copy(),
                confidence=copy.confidence.numpy().copy(),
                frame_ids=copy.frame_ids.numpy().copy(),
            )
        )


def _to_host(tensor: Tensor) -> Tensor:
    if not tensor.is_cuda:
        return tensor
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


def _columns(part: Prediction, keypoints: slice) -> Prediction:
    return Prediction(
        xy_img=part.xy_img[:, keypoints],
        confidence=part.confidence[:, keypoints],
        frame_ids=part.frame_ids,
    )
