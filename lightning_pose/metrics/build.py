"""The metrics that apply to a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import Metric, MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import METRICS


@dataclass(frozen=True, kw_only=True)
class MetricBasis:
    """What a metric may be built from. A registered metric's ``build`` takes it.

    Attributes:
        training_xy: keypoints of the training frames in image pixels, the views of several
            cameras side by side; NaN = not labelled. None if they are not known.
        num_views: cameras; 1 also for mirrored views in one image.
        singleview_columns: keypoints of the single-view pose analysis, counted within a view;
            None = not wanted.
        matched_columns: for each view its keypoints, in matching order; of several cameras counted
            within each view. None = none are mirrored, and cameras match keypoint by keypoint.
    """

    training_xy: Float[np.ndarray, "n k 2"] | None = None
    num_views: int = 1
    singleview_columns: Sequence[int] | None = None
    matched_columns: Sequence[Sequence[int]] | None = None

    def poses(self) -> Float[Tensor, "n k 2"]:
        """Return the training keypoints.

        Raises:
            DataError: they are not known.
        """
        if self.training_xy is None:
            raise DataError("The labels the model was trained on are not at hand.")
        return torch.as_tensor(np.asarray(self.training_xy, dtype=np.float32))


@dataclass(frozen=True, kw_only=True)
class BuiltMetrics:
    """The metrics that can be computed, and why others cannot.

    Attributes:
        metrics: in the order of their names.
        failures: one sentence for each that was wanted and could not be built.
    """

    metrics: tuple[Metric, ...]
    failures: tuple[str, ...] = field(default=())


def build_metrics(basis: MetricBasis) -> BuiltMetrics:
    """Return every registered metric that applies."""
    metrics: list[Metric] = []
    failures: list[str] = []
    for entry in METRICS:
        try:
            metric = entry.value.build(basis)
        except DataError as error:
            failures.append(f"The metric {entry.name} cannot be computed: {error}")
            continue
        if metric is not None:
            metrics.append(metric)
    return BuiltMetrics(metrics=tuple(metrics), failures=tuple(failures))


def computed(
    metric: Metric, predictions: Predictions, labels: LabelTable | None = None
) -> MetricTable:
    """Return the values of a metric.

    Raises:
        DataError: it failed, for whatever reason; one that comes from a plug-in may fail in any
            way, and what else was wanted of the predictions should not be lost with it.
    """
    try:
        return metric(predictions, labels)
    except DataError as error:
        raise DataError(f"The metric {metric.name} cannot be computed: {error}") from error
    except Exception as error:
        raise DataError(
            f"The metric {metric.name} failed with {type(error).__name__}: {error}."
        ) from error


def table_of(
    name: str, unit: str, values: Float[np.ndarray, "n k"], predictions: Predictions
) -> MetricTable:
    """Return values in the rows and columns of ``predictions`` as a table."""
    return MetricTable(
        name=name,
        unit=unit,
        values=values,
        keypoint_names=predictions.keypoint_names,
        index=predictions.images or tuple(int(i) for i in predictions.frame_ids),
        sets=predictions.sets,
    )


def matching_labels(predictions: Predictions, labels: LabelTable | None) -> LabelTable:
    """Return the labels, after checking that their rows and columns are those of the predictions.

    Predictions of a video have no image names; their rows are labels' rows by number.

    Raises:
        DataError: there are none, or they are of other images or keypoints, or in another order.
    """
    if labels is None:
        raise DataError("This metric compares with labels, and there are none.")
    if labels.keypoint_names != predictions.keypoint_names:
        raise DataError(
            f"The labels have the keypoints {', '.join(labels.keypoint_names)}; the predictions "
            f"have {', '.join(predictions.keypoint_names)}."
        )
    if len(labels) != len(predictions):
        raise DataError(
            f"There are {len(labels)} labelled images and {len(predictions)} predicted ones; "
            "predict the same label file."
        )
    pairs = zip(labels.images, predictions.images, strict=False)  # predictions may name none
    for row, (labelled, predicted) in enumerate(pairs):
        if labelled != predicted:
            raise DataError(
                f"Row {row} is the image {labelled} in the labels and {predicted} in the "
                "predictions; predict the same label file."
            )
    return labels
