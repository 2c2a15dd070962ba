"""How far a predicted pose is from the poses people labelled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import METRICS
from lightning_pose.metrics.build import MetricBasis, table_of
from lightning_pose.ops.pca import PoseSubspace, fit_subspace, reprojection_distance

SINGLEVIEW_VARIANCE = 0.99
MULTIVIEW_COMPONENTS = 3


@METRICS.register("pca_singleview_error")
class PCASingleviewError:
    """Distance of each chosen keypoint from the nearest pose of the labelled kind, in pixels."""

    name = "pca_singleview_error"
    unit = "px"
    needs_labels = False
    needs_video = False

    def __init__(self, subspace: PoseSubspace, columns: Sequence[int]) -> None:
        self.subspace = subspace
        self.columns = list(columns)

    @classmethod
    def build(cls, basis: MetricBasis) -> PCASingleviewError | None:
        """Return the metric, fitted on the training labels; None if no columns are chosen.

        Raises:
            DataError: fewer than 2 P frames are labelled completely, for P columns.
        """
        if basis.singleview_columns is None:
            return None
        columns = list(basis.singleview_columns)
        rows = basis.poses()[:, columns].flatten(1)
        subspace = fit_subspace(
            rows,
            keep=SINGLEVIEW_VARIANCE,
            min_rows=2 * len(columns),
            what=f"Single-view pose analysis of {len(columns)} keypoints",
        )
        return cls(subspace, columns)

    def __call__(self, predictions: Predictions, labels: LabelTable | None = None) -> MetricTable:
        """Return the distances; NaN for keypoints that were not chosen."""
        values = np.full(predictions.confidence.shape, np.nan)
        poses = torch.as_tensor(predictions.xy_img[:, self.columns].astype(np.float32))
        values[:, self.columns] = np.asarray(reprojection_distance(poses, self.subspace))
        return table_of(self.name, self.unit, values, predictions)


@METRICS.register("pca_multiview_error")
class PCAMultiviewError:
    """Distance of each keypoint from where the other views say it can be, in pixels.

    All body parts share one three-dimensional space: V views of one point have 2 V coordinates
    that three numbers explain.
    """

    name = "pca_multiview_error"
    unit = "px"
    needs_labels = False
    needs_video = False

    def __init__(self, subspace: PoseSubspace, matches: Sequence[Sequence[int]]) -> None:
        self.subspace = subspace
        self.matches = np.asarray(matches)

    @classmethod
    def build(cls, basis: MetricBasis) -> PCAMultiviewError | None:
        """Return the metric, fitted on the training labels; None without mirrored views.

        Raises:
            DataError: fewer than 2 V points are labelled in all V views.
        """
        matches = basis.matched_columns
        if not matches or len(matches) < 2:
            return None
        index = torch.tensor([list(view) for view in matches]).T  # body part, view
        rows = basis.poses()[:, index].flatten(0, 1).flatten(1)
        subspace = fit_subspace(
            rows,
            keep=MULTIVIEW_COMPONENTS,
            min_rows=2 * len(matches),
            what=f"Multi-view analysis of {len(matches)} views",
        )
        return cls(subspace, matches)

    def __call__(self, predictions: Predictions, labels: LabelTable | None = None) -> MetricTable:
        """Return the distances; NaN for keypoints seen in one view only."""
        values = np.full(predictions.confidence.shape, np.nan)
        by_part = self.matches.T  # body part, view
        poses = torch.as_tensor(predictions.xy_img[:, by_part].astype(np.float32))
        distance = reprojection_distance(poses.flatten(0, 1), self.subspace)
        values[:, by_part] = np.asarray(distance).reshape(-1, *by_part.shape)
        return table_of(self.name, self.unit, values, predictions)
