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
from lightning_pose.ops.pca import (
    PoseSubspace,
    fit_subspace,
    reprojection_distance,
    view_columns,
)

SINGLEVIEW_VARIANCE = 0.99
MULTIVIEW_COMPONENTS = 3


@METRICS.register("pca_singleview_error")
class PCASingleviewError:
    """Distance of each chosen keypoint from the nearest pose of the labelled kind, in pixels.

    Several cameras have a pose analysis each.
    """

    name = "pca_singleview_error"
    unit = "px"
    needs_labels = False
    needs_video = False
    looks_back = 0

    def __init__(
        self, subspaces: Sequence[PoseSubspace], columns: Sequence[Sequence[int]]
    ) -> None:
        self.subspaces = list(subspaces)
        self.columns = [list(of_view) for of_view in columns]

    @classmethod
    def build(cls, basis: MetricBasis) -> PCASingleviewError | None:
        """Return the metric, fitted on the training labels; None if no columns are chosen.

        Raises:
            DataError: in a view, fewer than 2 P frames have all P chosen columns labelled.
        """
        chosen = basis.singleview_columns
        if chosen is None:
            return None
        poses, views = basis.poses(), basis.num_views
        columns = view_columns(poses.shape[1], num_views=views, matches=[chosen] * views)
        subspaces = [
            fit_subspace(
                poses[:, of_view].flatten(1),
                keep=SINGLEVIEW_VARIANCE,
                min_rows=2 * len(of_view),
                what=f"Single-view pose analysis of {len(of_view)} keypoints"
                + (f" in view {view + 1}" if views > 1 else ""),
            )
            for view, of_view in enumerate(columns)
        ]
        return cls(subspaces, columns)

    def __call__(self, predictions: Predictions, labels: LabelTable | None = None) -> MetricTable:
        """Return the distances; NaN for keypoints that were not chosen."""
        values = np.full(predictions.confidence.shape, np.nan)
        for subspace, columns in zip(self.subspaces, self.columns, strict=True):
            poses = torch.as_tensor(predictions.xy_img[:, columns].astype(np.float32))
            values[:, columns] = np.asarray(reprojection_distance(poses, subspace))
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
    looks_back = 0

    def __init__(self, subspace: PoseSubspace, matches: Sequence[Sequence[int]]) -> None:
        self.subspace = subspace
        self.matches = np.asarray(matches)

    @classmethod
    def build(cls, basis: MetricBasis) -> PCAMultiviewError | None:
        """Return the metric, fitted on the training labels; None where there is one view.

        Raises:
            DataError: fewer than 2 V points are labelled in all V views.
        """
        if basis.num_views < 2 and len(basis.matched_columns or ()) < 2:
            return None
        poses = basis.poses()
        matches = view_columns(
            poses.shape[1], num_views=basis.num_views, matches=basis.matched_columns
        )
        index = torch.tensor(matches).T  # body part, view
        subspace = fit_subspace(
            poses[:, index].flatten(0, 1).flatten(1),
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
