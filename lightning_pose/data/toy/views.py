"""The two mirrored views of the toy set-up: from the side, and from below, in one image.

Both are parallel projections, so the image points of both views together span three dimensions:
what the multi-view PCA assumes holds exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lightning_pose.data.toy.skeleton import BELOW_HEIGHT, IMAGE_WIDTH, SIDE_HEIGHT


@dataclass(frozen=True, kw_only=True)
class View:
    """One mirror.

    Attributes:
        name: as in the keypoint names.
        top_row: first image row of the view.
        height: in rows; the width is the image's.
        matrix: world units to pixels.
        offset: pixel of the world's origin, from the view's own top-left pixel.
        away: unit vector that points away from the camera.
    """

    name: str
    top_row: int
    height: int
    matrix: Float[np.ndarray, "2 3"]
    offset: Float[np.ndarray, " 2"]
    away: Float[np.ndarray, " 3"]

    def project(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 2"]:
        """Return where world points fall, in pixels of this view (its top-left pixel is 0, 0)."""
        return points @ self.matrix.T + self.offset

    def in_image(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 2"]:
        """Return where world points fall, in pixels of the whole image."""
        return self.project(points) + np.array([0.0, self.top_row])

    def depth(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n"]:
        """Return how far points are from the camera, up to a constant."""
        return points @ self.away

    def holds(self, xy: Float[np.ndarray, "*n 2"]) -> Bool[np.ndarray, "*n"]:
        """Tell which points (pixels of this view) lie inside it."""
        limits = np.array([IMAGE_WIDTH - 1, self.height - 1])
        return np.asarray(((xy >= 0) & (xy <= limits)).all(axis=-1))


SIDE = View(
    name="side",
    top_row=0,
    height=SIDE_HEIGHT,
    matrix=np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]),
    offset=np.array([122.0, 75.0]),
    away=np.array([0.0, 1.0, 0.0]),
)
# The lower mirror hangs a little askew, and shows the animal a little smaller.
BELOW = View(
    name="below",
    top_row=SIDE_HEIGHT,
    height=BELOW_HEIGHT,
    matrix=0.97 * np.array([[0.9994, 0.0349, 0.0], [0.0349, -0.9994, 0.0]]),
    offset=np.array([124.0, 55.0]),
    away=np.array([0.0, 0.0, 1.0]),
)
