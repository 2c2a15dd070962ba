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
class OnTheWay:
    """A result that a GPU copies to the host; it is there once ``arrived`` has happened.

    Attributes:
        frame_ids: frame numbers, or rows of a label table.
        xy_img: pixels of the original image.
        confidence: 0..1; NaN = the tracker cannot tell.
        arrived: None = it is there.
    """

    frame_ids: Int[Tensor, " n"]
    xy_img: Float[Tensor, "n k 2"]
    confidence: Float[Tensor, "n k"]
    arrived: torch.cuda.Event | None = None

    @classmethod
    def sent(
        cls,
        frame_ids: Int[Tensor, " n"],
        xy_img: Float[Tensor, "n k 2"],
        confidence: Float[Tensor, "n k"],
    ) -> OnTheWay:
        """Begin to copy a result to the host from wherever it lies; nothing waits for it here."""
        copies = [_to_host(tensor) for tensor in (frame_ids, xy_img.float(), confidence.float())]
        arrived = None
        if xy_img.is_cuda:
            arrived = torch.cuda.Event()
            arrived.record()
        return cls(copies[0], copies[1], copies[2], arrived)

    def wait(self) -> Prediction:
        """Return the result once it is there."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return Prediction(
            frame_ids=self.frame_ids.numpy(),
            xy_img=self.xy_img.numpy(),
            confidence=self.confidence.numpy(),
        )


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
        self._done: list[Prediction] = []
        self._on_the_way: deque[OnTheWay] = deque()

    def take(self, result: OnTheWay) -> None:
        """Take the results of one batch that are being copied."""
        self._on_the_way.append(result)
        if result.arrived is None or len(self._on_the_way) > _IN_FLIGHT:
            self._done.append(self._on_the_way.popleft().wait())

    def predictions(self, *, num_frames: int, run_id: str = "") -> list[Predictions]:
        """Return one table a view, ordered by frame number.

        Args:
            num_frames: how many frames there must be, each exactly once.
            run_id: which run made the model.

        Raises:
            VideoError: a frame is missing or was predicted twice.
        """
        while self._on_the_way:
            self._done.append(self._on_the_way.popleft().wait())
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
