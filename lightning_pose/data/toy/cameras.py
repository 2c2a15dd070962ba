"""What the toy set is written as: one image with both views, or files of its own for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.toy.scene import Truth
from lightning_pose.data.toy.skeleton import BODY_PARTS, KEYPOINT_NAMES
from lightning_pose.data.toy.views import BELOW, SIDE, View


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A part of the drawn image that is written as images and videos of its own.

    Attributes:
        ending: of the names of its files and folders: ``_side`` gives ``walk1_side.mp4``.
        rows: of the drawn image.
        columns: keypoints it sees, among all of ``skeleton.KEYPOINT_NAMES``.
        keypoint_names: what they are called in its files.
    """

    ending: str
    rows: slice
    columns: slice
    keypoint_names: tuple[str, ...]

    def picture(self, drawn: UInt8[np.ndarray, "_ w"]) -> UInt8[np.ndarray, "_ w"]:
        """Return its part of the drawn image."""
        return drawn[self.rows]

    def points(self, points: Truth) -> Truth:
        """Return its keypoints, in pixels of its own pictures."""
        xy_img = points.xy_img[:, self.columns] - np.array([0.0, self.rows.start or 0])
        return Truth(xy_img=xy_img, visible=points.visible[:, self.columns])


def _of_view(number: int, view: View) -> Camera:
    parts = len(BODY_PARTS)
    return Camera(
        ending=f"_{view.name}",
        rows=slice(view.top_row, view.top_row + view.height),
        columns=slice(number * parts, (number + 1) * parts),
        keypoint_names=BODY_PARTS,
    )


MIRRORED = (
    Camera(ending="", rows=slice(None), columns=slice(None), keypoint_names=KEYPOINT_NAMES),
)
SEPARATE = tuple(_of_view(number, view) for number, view in enumerate((SIDE, BELOW)))

Tables = tuple[LabelTable, ...]
