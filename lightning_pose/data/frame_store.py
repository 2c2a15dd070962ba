"""Where decoded frames live: on the device if they fit, else in host memory, else in a file."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from lightning_pose.contracts.errors import DataError
from lightning_pose.ops.transfer import to_device

SHARE_OF_DEVICE = 0.25
SHARE_OF_HOST = 0.5
_GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class MemoryLimits:
    """How much memory decoded frames may take, in bytes; beyond both they go into a file.

    Attributes:
        device: on the accelerator; the network and its batches need the rest.
        host: in main memory.
    """

    device: int
    host: int

    @classmethod
    def of(cls, device: torch.device) -> MemoryLimits:
        """Return limits that leave most of what is free now to others."""
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
        available = psutil.virtual_memory().available
        return cls(device=int(SHARE_OF_DEVICE * free), host=int(SHARE_OF_HOST * available))


class FrameStore:
    """A fixed number of 8-bit RGB frames of one size.

    Args:
        num_frames: how many.
        height: of each, in pixels.
        width: of each, in pixels.
        device: where frames are wanted.
        limits: decides where they are kept; see :attr:`place`.
        temp_dir: folder for the file, if there must be one; None = the system's.

    Attributes:
        place: "device", "host" or "file".
    """

    def __init__(
        self,
        num_frames: int,
        height: int,
        width: int,
        *,
        device: torch.device,
        limits: MemoryLimits,
        temp_dir: Path | None = None,
    ) -> None:
        shape = (num_frames, height, width, 3)
        size = int(np.prod(shape))
        self.device = device
        self.place = "file"
        if device.type != "cpu" and size <= limits.device:
            self.place = "device"
            self._frames = torch.empty(shape, dtype=torch.uint8, device=device)
        elif size <= limits.host:
            self.place = "host"
            self._frames = torch.empty(shape, dtype=torch.uint8)
        else:
            self._frames = _frames_in_file(shape, size, temp_dir)

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def num_bytes(self) -> int:
        """Return the size of all frames."""
        return self._frames.numel()

    def put(self, slot: int, frame: UInt8[Tensor, "h w 3"]) -> None:
        """Keep a frame."""
        self._frames[slot].copy_(frame)

    def take(self, slots: Int[Tensor, " m"]) -> UInt8[Tensor, "m h w 3"]:
        """Return frames on the device, without making the host wait for it.

        Args:
            slots: which, on the CPU.
        """
        if self.place == "device":
            return self._frames.index_select(0, to_device(slots, self.device))
        return to_device(self._frames.index_select(0, slots), self.device)


def _frames_in_file(
    shape: tuple[int, int, int, int], size: int, temp_dir: Path | None
) -> UInt8[Tensor, "n h w 3"]:
    """Return frames mapped onto a file without a name: it is gone when the process is."""
    folder = temp_dir or Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file.fileno(), size)
            return torch.from_numpy(np.memmap(file, dtype=np.uint8, mode="r+", shape=shape))
    except OSError as error:
        raise DataError(
            f"The decoded images take {size / _GIB:.1f} GiB, more than memory allows, and no file "
            f"of that size can be made in {folder}: {error.strerror or error}. Free some space, "
            "point TMPDIR to a larger disk, or choose smaller data.image_resize_dims."
        ) from error


def _reserve(file_descriptor: int, size: int) -> None:
    """Claim the disk space now: a full disk is an error here, and a crash once it is mapped."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file_descriptor, 0, size)
    else:
        os.ftruncate(file_descriptor, size)
