"""From decoded frames to what a network is fed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from lightning_pose.contracts.batches import DataSpec, VideoBatch
from lightning_pose.contracts.errors import VideoError
from lightning_pose.ops.kernels import kernel_module
from lightning_pose.ops.resize import crop_and_resize, resize_frames
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.sequence_input import net_to_image


class NetworkInput:
    """Resizes and normalises frames exactly as labelled images are in training.

    Args:
        spec: size and normalisation of the network's input.
        device: where the network is; frames are sent there as bytes and resized there.
        dtype: of the network's input where a GPU makes it in one pass.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.spec = spec
        self._dtype = dtype
        self.device = torch.device(device)
        mean, std = torch.tensor([spec.mean, spec.std], device=self.device)
        self._mean, self._std = mean.view(3, 1, 1), std.view(3, 1, 1)
        self._ways_back: dict[tuple[int, int], Float[Tensor, "1 2 3"]] = {}

    def __call__(
        self, views: Sequence[RawFrames], boxes: Sequence[Int[Tensor, "m 4"] | None] = ()
    ) -> VideoBatch:
        """Return one batch of the same frames seen by one or several cameras.

        Args:
            views: one a camera, with the same frame numbers.
            boxes: for each camera the part shown to the network, a box (x, y, height, width) for
                every frame of the video; None = the whole frame. Empty: None for all.

        Raises:
            VideoError: the cameras' frames differ in number, or there are too few boxes.
        """
        first = views[0]
        if any(len(view.frame_ids) != len(first.frame_ids) for view in views):
            raise VideoError("The videos of the views have different numbers of frames.")
        parts = [
            self._one_view(view, box)
            for view, box in zip(views, boxes or [None] * len(views), strict=True)
        ]
        frames = (
            torch.stack([frames for frames, _ in parts], dim=1)
            if len(parts) > 1
            else (parts[0][0].unsqueeze(1))
        )
        return VideoBatch(
            frames=frames,
            net_to_image=torch.stack([affine for _, affine in parts], dim=1),
            frame_ids=first.frame_ids,
            halo=first.halo,
        )

    def _one_view(
        self, raw: RawFrames, boxes: Int[Tensor, "m 4"] | None
    ) -> tuple[Float[Tensor, "t 3 h w"], Float[Tensor, "n 2 3"]]:
        net_hw = (self.spec.height, self.spec.width)
        frames = raw.frames.to(self.device, non_blocking=True)
        if boxes is None:
            images = self._resized(frames)
            to_image = self._whole_frame(frames.shape[1], frames.shape[2])
            to_image = to_image.expand(len(raw.frame_ids), 2, 3)
        else:
            if int(raw.frame_ids[-1]) >= len(boxes):
                raise VideoError(f"There are {len(boxes)} boxes, but the video has more frames.")
            shown = boxes[_ids_with_halo(raw, len(boxes))]
            images = self._normalised(crop_and_resize(frames, shown, *net_hw))
            to_image = net_to_image(boxes[raw.frame_ids], self.spec).to(self.device)
        return images, to_image

    def _resized(self, frames: UInt8[Tensor, "t _ _ 3"]) -> Float[Tensor, "t 3 h w"]:
        height, width = self.spec.height, self.spec.width
        resizing = kernel_module("resize_kernels", frames.device)
        if resizing is None:
            return self._normalised(resize_frames(frames, height, width))
        return resizing.resize_and_normalise(
            frames, height, width, mean=self.spec.mean, std=self.spec.std, dtype=self._dtype
        )

    def _normalised(self, resized: UInt8[Tensor, "t 3 h w"]) -> Float[Tensor, "t 3 h w"]:
        return resized.float().div_(255.0).sub_(self._mean).div_(self._std)

    def _whole_frame(self, height: int, width: int) -> Float[Tensor, "1 2 3"]:
        """Return the way back from the network to frames of a size; made once, on the device."""
        if (height, width) not in self._ways_back:
            whole = torch.tensor([[0, 0, height, width]])
            way_back = net_to_image(whole, self.spec).to(self.device)
            self._ways_back[height, width] = way_back
        return self._ways_back[height, width]


def _ids_with_halo(raw: RawFrames, num_frames: int) -> Int[Tensor, " t"]:
    """Return the number of every frame of the batch; beyond the ends of the video, of the edge."""
    first, last = int(raw.frame_ids[0]), int(raw.frame_ids[-1])
    return torch.arange(first - raw.halo, last + raw.halo + 1).clamp(0, num_frames - 1)
