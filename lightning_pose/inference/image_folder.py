"""Reading a folder of images as if it were a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import UInt8

from lightning_pose.contracts.errors import VideoError
from lightning_pose.data.image_files import decode_image, image_size
from lightning_pose.inference.failures import disk_told_apart
from lightning_pose.video.background import in_background
from lightning_pose.video.batching import RawFrames, checked_batch_size, in_batches
from lightning_pose.video.info import VideoInfo

_BATCHES_AHEAD = 2


class ImageFolderReader:
    """Yields images as consecutive frames; has the interface of a video reader.

    Args:
        folder: named in messages.
        images: files in the order of the frames, all of one size.
        batch_size: frames to be predicted per batch.
        halo: frames of context at either end of each batch.
        device: where the frames go later; for a GPU they are put in pinned memory.

    Raises:
        DataError: the first image cannot be read.
        VideoError: the batch size is impossible.
        UnreadableError: the disk is gone, or the image.
    """

    priority: ClassVar[int] = 0

    def __init__(
        self,
        folder: Path,
        images: Sequence[Path],
        *,
        batch_size: int,
        halo: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        with disk_told_apart():
            height, width = image_size(images[0])
        self.info = VideoInfo(
            path=folder,
            width=width,
            height=height,
            fps=Fraction(1),
            num_frames=len(images),
            duration_s=float(len(images)),
            codec=images[0].suffix.lstrip(".").lower(),
            pixel_format="rgb24",
        )
        self.num_frames: int | None = None
        self.problems: tuple[str, ...] = ()
        self._images = tuple(images)
        self._batch_size = checked_batch_size(batch_size)
        self._halo = halo
        self._pin_memory = torch.device(device).type == "cuda"

    @classmethod
    def usable(cls, video: Path, *, device: torch.device | str = "cpu") -> str | None:
        """Return None for a folder."""
        return None if video.is_dir() else f"{video} is not a folder of images."

    def __iter__(self) -> Iterator[RawFrames]:
        """Yield every image once.

        Raises:
            DataError: an image cannot be read.
            UnreadableError: the disk is gone, or an image.
            VideoError: an image has another size than the first.
        """
        batches = in_batches(
            self._decoded(),
            batch_size=self._batch_size,
            halo=self._halo,
            pin_memory=self._pin_memory,
        )
        yield from in_background(batches, ahead=_BATCHES_AHEAD)
        self.num_frames = len(self._images)

    def _decoded(self) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
        expected = (self.info.height, self.info.width)
        for path in self._images:
            with disk_told_apart():
                image = decode_image(path)
            if image.shape[:2] != expected:
                raise VideoError(
                    f"{path} is {image.shape[1]} x {image.shape[0]} pixels where the first image "
                    f"of {self.info.path} is {expected[1]} x {expected[0]}; the images of a "
                    "folder must have one size."
                )
            yield image
