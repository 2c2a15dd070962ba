"""Pictures found in a video, by their place in the sequence asked for."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video.info import VideoInfo

BEFORE = -1  # the frame before a sequence
Found = dict[int, UInt8[np.ndarray, "height width 3"]]


def without_gaps(
    found: Found, count: int, info: VideoInfo
) -> UInt8[np.ndarray, "count height width 3"]:
    """Return ``count`` pictures; each that is missing repeats the one before it.

    Raises:
        VideoError: none was found, or they differ in size.
    """
    if not found:
        raise VideoError(
            f"{info.path}: none of {count} frames asked for can be decoded; the file is "
            "damaged there."
        )
    sizes = {picture.shape for picture in found.values()}
    if sizes != {(info.height, info.width, 3)}:
        raise VideoError(
            f"{info.path} changes its frame size midway. Re-encode it to one size: "
            "ffmpeg -i IN -c:v libx264 OUT.mp4"
        )
    last = found[min(found)]
    frames = np.empty((count, *last.shape), dtype=np.uint8)
    for row in range(count):
        last = found.get(row, last)
        frames[row] = last
    return frames
