"""Turning frames the way players show them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from lightning_pose.contracts.errors import VideoError

_ONE = 1 << 16  # the display matrix is in 16.16 fixed point


@dataclass(frozen=True, kw_only=True)
class Orientation:
    """A quarter turn and mirroring: first swap the axes, then mirror.

    Attributes:
        swap: rows become columns.
        mirror_x: left becomes right (after the swap).
        mirror_y: top becomes bottom (after the swap).
    """

    swap: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame, path: Path) -> Orientation:
        """Return how ``frame`` asks to be shown (its display matrix, set by phones and cameras).

        The matrix takes (x, y) to (a x + c y, b x + d y); only quarter turns occur in practice.

        Raises:
            VideoError: the file asks for another angle.
        """
        matrix = frame.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return cls()
        a, b, _, c, d = np.frombuffer(bytes(matrix), dtype=np.int32)[:5].tolist()
        upright, sideways = max(abs(a), abs(d)), max(abs(b), abs(c))
        if min(upright, sideways) > _ONE // 50:  # more than one degree off
            raise VideoError(
                f"{path} asks to be shown rotated by {frame.rotation} degrees; only quarter turns "
                "can be read. Re-encode it upright: ffmpeg -i IN -c:v libx264 OUT.mp4"
            )
        if sideways > upright:
            return cls(swap=True, mirror_x=c < 0, mirror_y=b < 0)
        return cls(mirror_x=a < 0, mirror_y=d < 0)

    @property
    def degrees(self) -> int:
        """Return the turn in degrees clockwise; 0 also for a mirrored picture."""
        turns = {
            (True, True, False): 90,
            (False, True, True): 180,
            (True, False, True): 270,
        }
        return turns.get((self.swap, self.mirror_x, self.mirror_y), 0)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width as shown, of a frame stored as ``height`` x ``width``."""
        return (width, height) if self.swap else (height, width)

    def apply(self, picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "H W 3"]:
        """Return a view of the stored picture as it is shown."""
        if self.swap:
            picture = picture.swapaxes(0, 1)
        step_x, step_y = (-1 if self.mirror_x else 1), (-1 if self.mirror_y else 1)
        return picture[::step_y, ::step_x]


UPRIGHT = Orientation()
