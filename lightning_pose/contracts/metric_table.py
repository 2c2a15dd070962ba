"""The table a metric makes: one row a frame, one column a keypoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float

from lightning_pose.contracts.files import write_atomically
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import Predictions


@dataclass(frozen=True, kw_only=True)
class MetricTable:
    """Values of one metric.

    Attributes:
        name: registry name of the metric, used in file names.
        unit: "px", "" ...
        values: NaN = not defined for that frame and keypoint.
        keypoint_names: in column order.
        index: frame numbers or image paths.
        sets: part of each image; empty for a video.
    """

    name: str
    unit: str
    values: Float[np.ndarray, "n k"]
    keypoint_names: tuple[str, ...]
    index: tuple[int | str, ...]
    sets: tuple[str, ...] = ()

    def to_csv(self, path: Path) -> Path:
        """Write one column a keypoint, last column ``set`` for labelled sets; return ``path``."""
        frame = pd.DataFrame(
            self.values, index=list(self.index), columns=list(self.keypoint_names)
        )
        if self.sets:
            frame["set"] = list(self.sets)
        return write_atomically(path, lambda temporary: frame.to_csv(temporary))


@runtime_checkable
class Metric(Protocol):
    """A number per frame and keypoint, from predictions and, if ``needs_labels``, labels.

    A metric that has to learn from training labels first (PCA) does so when it is made.
    """

    name: str
    unit: str
    needs_labels: bool
    needs_video: bool  # compares neighbouring frames, so it says nothing of labelled images

    def __call__(self, predictions: Predictions, labels: LabelTable | None = None) -> MetricTable:
        """Return the values, in the rows of ``predictions``."""
        ...
