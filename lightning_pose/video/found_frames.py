"""Pictures found in a video, by their place in the sequence asked for."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video.info import VideoInfo

BEFORE = -1  # the frame before a sequence

Picture = UInt8[np.ndarray, "height width 3"]


class Found:
    """The pictures of a sequence, put into the one array that is returned as they come.

    A long sequence so takes no more memory than its frames.

    Args:
        count: frames of the sequence.

    Attributes:
        rows: places whose picture was found, :data:`BEFORE` among them.
        shapes: of all pictures.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.rows: set[int] = set()
        self.shapes: set[tuple[int, ...]] = set()
        self._frames: UInt8[np.ndarray, "count height width 3"] | None = None
        self._before: Picture | None = None

    def __len__(self) -> int:
        """Return how many pictures were found."""
        return len(self.rows)

    def __contains__(self, row: int) -> bool:
        """Tell whether the picture of a place was found."""
        return row in self.rows

    def __setitem__(self, row: int, picture: Picture) -> None:
        """Put a picture in its place; of another size than the first it is only taken note of."""
        self.rows.add(row)
        self.shapes.add(picture.shape)
        if row == BEFORE:
            self._before = picture
        elif self._frames is None:
            self._frames = np.empty((self.count, *picture.shape), dtype=np.uint8)
        if self._frames is not None and row != BEFORE and len(self.shapes) == 1:
            self._frames[row] = picture

    def without_gaps(self, info: VideoInfo) -> UInt8[np.ndarray, "count height width 3"]:
        """Return the sequence; each picture that is missing repeats the one before it.

        At the beginning it repeats the frame before the sequence, or else the first one found.

        Raises:
            VideoError: none was found, or they differ in size.
        """
        if not self.rows:
            raise VideoError(
                f"{info.path}: none of {self.count} frames asked for can be decoded; the file is "
                "damaged there."
            )
        if self.shapes != {(info.height, info.width, 3)}:
            raise VideoError(
                f"{info.path} changes its frame size midway. Re-encode it to one size: "
                "ffmpeg -i IN -c:v libx264 OUT.mp4"
            )
        frames = self._frames
        if frames is None:
            frames = np.empty((self.count, info.height, info.width, 3), dtype=np.uint8)
        last = self._before if self._before is not None else frames[min(self.rows)]
        for row in range(self.count):
            if row not in self.rows:
                frames[row] = last
            last = frames[row]
        return frames
