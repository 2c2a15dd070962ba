"""The label table: which keypoints a person placed on which images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from lightning_pose.contracts.errors import DataError


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """Labels of one view, one row an image.

    Attributes:
        images: image paths as written in the file, relative to ``root``.
        xy_img: keypoints in pixels of each image; NaN = not labelled.
        visible: 0 not labelled, 1 occluded, 2 visible; None when the file does not say.
        keypoint_names: in column order.
        root: folder the image paths are relative to.
        scorer: who labelled.
        source: the file the table was read from.
    """

    images: tuple[str, ...]
    xy_img: Float[np.ndarray, "n k 2"]
    keypoint_names: tuple[str, ...]
    root: Path
    scorer: str = "scorer"
    visible: Int[np.ndarray, "n k"] | None = None
    source: Path | None = None

    def __post_init__(self) -> None:
        expected = (len(self.images), len(self.keypoint_names), 2)
        if self.xy_img.shape != expected:
            raise DataError(
                f"A label table of {expected[0]} images and {expected[1]} keypoints needs "
                f"coordinates of shape {expected}, got {self.xy_img.shape}."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labelled(self) -> Bool[np.ndarray, "n k"]:
        """Return which keypoints are labelled in which row."""
        return np.asarray(~np.isnan(self.xy_img).any(-1))

    def path(self, row: int) -> Path:
        """Return where the image of ``row`` lies."""
        return self.root / self.images[row]

    def rows(self, keep: np.ndarray) -> LabelTable:
        """Return the table of the rows in ``keep`` (indices or a mask), in that order."""
        index = np.flatnonzero(keep) if keep.dtype == bool else keep
        return LabelTable(
            images=tuple(self.images[i] for i in index),
            xy_img=self.xy_img[index],
            keypoint_names=self.keypoint_names,
            root=self.root,
            scorer=self.scorer,
            visible=None if self.visible is None else self.visible[index],
            source=self.source,
        )
