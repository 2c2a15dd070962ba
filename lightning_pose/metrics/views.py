"""Metrics of several cameras: their tables are laid side by side, and the result cut by view.

So a metric may compare views, and one that looks at each keypoint by itself need not know of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import Metric, MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.metrics.build import computed, matching_labels

ALL_VIEWS = "all_views"


def predictions_side_by_side(
    views: Sequence[Predictions], view_names: Sequence[str]
) -> Predictions:
    """Return the predictions of all views of the same frames as one table.

    Keypoints are named ``<keypoint>_<view>``; image names are those of the first view. A single
    view comes back as it is.
    """
    if len(views) == 1:
        return views[0]
    return replace(
        views[0],
        xy_img=np.concatenate([view.xy_img for view in views], axis=1),
        confidence=np.concatenate([view.confidence for view in views], axis=1),
        keypoint_names=_joint_names([view.keypoint_names for view in views], view_names),
    )


def labels_side_by_side(views: Sequence[LabelTable], view_names: Sequence[str]) -> LabelTable:
    """Return the labels of all views as one table, as :func:`predictions_side_by_side` does.

    ``visible`` is None unless every view has it.
    """
    if len(views) == 1:
        return views[0]
    visible = [view.visible for view in views if view.visible is not None]
    return replace(
        views[0],
        xy_img=np.concatenate([view.xy_img for view in views], axis=1),
        visible=np.concatenate(visible, axis=1) if len(visible) == len(views) else None,
        keypoint_names=_joint_names([view.keypoint_names for view in views], view_names),
    )


def computed_by_view(
    metric: Metric,
    predictions: Sequence[Predictions],
    labels: Sequence[LabelTable] | None = None,
    *,
    view_names: Sequence[str] = (),
) -> list[MetricTable]:
    """Return the values of a metric, one table a view.

    Args:
        metric: built for as many views.
        predictions: one table a view, of the same frames.
        labels: the same of labels; None if there are none.
        view_names: needed where there are several.

    Raises:
        DataError: it failed, or labels are of other images or keypoints.
    """
    if len(predictions) == 1:
        return [computed(metric, predictions[0], labels[0] if labels else None)]
    if labels is not None:
        for view, table in zip(predictions, labels, strict=True):
            matching_labels(view, table)
    joint = computed(
        metric,
        predictions_side_by_side(predictions, view_names),
        labels_side_by_side(labels, view_names) if labels else None,
    )
    ends = np.cumsum([len(view.keypoint_names) for view in predictions])[:-1]
    return [
        replace(
            joint,
            values=values,
            keypoint_names=view.keypoint_names,
            index=view.images or joint.index,
        )
        for view, values in zip(predictions, np.split(joint.values, ends, axis=1), strict=True)
    ]


def _joint_names(names: Sequence[tuple[str, ...]], view_names: Sequence[str]) -> tuple[str, ...]:
    pairs = zip(names, view_names, strict=True)
    return tuple(f"{name}_{view}" for of_view, view in pairs for name in of_view)
