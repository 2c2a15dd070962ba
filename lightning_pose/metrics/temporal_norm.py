"""How far keypoints jump from frame to frame."""

from __future__ import annotations

import numpy as np

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import METRICS
from lightning_pose.metrics.build import MetricBasis, table_of


@METRICS.register("temporal_norm")
class TemporalNorm:
    """Distance to the same keypoint in the frame before, in pixels; NaN in the first frame."""

    name = "temporal_norm"
    unit = "px"
    needs_labels = False
    needs_video = True
    looks_back = 1

    @classmethod
    def build(cls, basis: MetricBasis) -> TemporalNorm:
        """Return the metric; it needs nothing."""
        return cls()

    def __call__(self, predictions: Predictions, labels: LabelTable | None = None) -> MetricTable:
        """Return the distances."""
        values = np.full(predictions.confidence.shape, np.nan)
        values[1:] = np.linalg.norm(np.diff(predictions.xy_img, axis=0), axis=-1)
        return table_of(self.name, self.unit, values, predictions)
