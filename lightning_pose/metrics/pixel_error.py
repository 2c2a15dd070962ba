"""The distance between prediction and label."""

from __future__ import annotations

import numpy as np

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import METRICS
from lightning_pose.metrics.build import MetricBasis, matching_labels, table_of


@METRICS.register("pixel_error")
class PixelError:
    """Euclidean distance from the label, in pixels of the original image; NaN = not labelled."""

    name = "pixel_error"
    unit = "px"
    needs_labels = True
    needs_video = False

    @classmethod
    def build(cls, basis: MetricBasis) -> PixelError:
        """Return the metric; it needs nothing."""
        return cls()

    def __call__(self, predictions: Predictions, labels: LabelTable | None = None) -> MetricTable:
        """Return the distances."""
        found = matching_labels(predictions, labels)
        distance = np.linalg.norm(predictions.xy_img - found.xy_img, axis=-1)
        return table_of(self.name, self.unit, distance, predictions)
