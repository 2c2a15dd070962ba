"""Frames that a program hands over in memory: are they pictures as the network takes them?"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from lightning_pose.contracts.errors import DataError


def check_frames(frames: object) -> None:
    """Check that frames are RGB pictures of 8 bits a colour, and of one size.

    Others would be predicted too, and wrongly: of colours from 0 to 1 the network sees black.

    Raises:
        DataError: one is something else; the message says what.
    """
    if not isinstance(frames, Collection | np.ndarray | Tensor):
        raise DataError(
            "Frames should be an array of n x height x width x 3, or a list of such of height x "
            f"width x 3, got {type(frames).__name__}."
        )
    sizes: set[tuple[int, ...]] = set()
    for frame in frames:
        shape, kind = (
            tuple(getattr(frame, "shape", ())),
            str(getattr(frame, "dtype", type(frame).__name__)),
        )
        if len(shape) != 3 or shape[2] != 3 or 0 in shape or kind not in ("uint8", "torch.uint8"):
            raise DataError(
                "A frame should be an array of height x width x 3, RGB with 8 bits a colour "
                f"(uint8, 0 to 255), got {' x '.join(map(str, shape)) or 'a single value'} of "
                f"{kind}."
            )
        sizes.add(shape[:2])
    if len(sizes) > 1:
        found = " and ".join(f"{width} x {height}" for height, width in sorted(sizes)[:2])
        raise DataError(f"Frames should be of one size, got {found} pixels.")


def repeated_frame(
    frame: UInt8[np.ndarray, "height width 3"], *, times: int
) -> UInt8[Tensor, "times height width 3"]:
    """Return a frame several times over; it is copied only where that cannot be helped.

    Raises:
        DataError: it is no picture as :func:`check_frames` wants it.
    """
    check_frames([frame])
    own = torch.from_numpy(np.require(frame, requirements=["C", "W"]))
    return own.expand(times, -1, -1, -1).contiguous()
