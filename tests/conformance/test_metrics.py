"""What every registered metric must do; a new metric is tested here by being registered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import Metric
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import METRICS
from lightning_pose.metrics.build import MetricBasis, build_metrics

NAMES = METRICS.names()
FRAMES, KEYPOINTS = 12, 4
KEYPOINT_NAMES = tuple("abcd")


def poses() -> np.ndarray:
    """Return poses in pixels, of points that lie in general position."""
    return 50 + 10 * np.random.default_rng(0).normal(size=(FRAMES, KEYPOINTS, 2))


def built(name: str) -> Metric:
    basis = MetricBasis(
        training_xy=poses(), singleview_columns=[0, 1, 2, 3], matched_columns=[[0, 1], [2, 3]]
    )
    return METRICS.get(name).build(basis)


def predictions_of(xy: np.ndarray) -> Predictions:
    count = len(xy)
    return Predictions(
        xy_img=xy,
        confidence=np.ones((count, KEYPOINTS)),
        keypoint_names=KEYPOINT_NAMES,
        frame_ids=np.arange(count),
        images=tuple(f"{i}.png" for i in range(count)),
    )


def labels_of(xy: np.ndarray) -> LabelTable:
    return LabelTable(
        images=tuple(f"{i}.png" for i in range(len(xy))),
        xy_img=xy,
        keypoint_names=KEYPOINT_NAMES,
        root=Path(),
    )


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_metric_under_its_registered_name(name: str) -> None:
    metric = built(name)
    assert isinstance(metric, Metric)
    assert metric.name == name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [0, 1, FRAMES])
def test_its_table_has_the_rows_and_columns_of_the_predictions(name: str, count: int) -> None:
    xy = poses()[:count]
    table = built(name)(predictions_of(xy + 1), labels_of(xy))
    assert table.values.shape == (count, KEYPOINTS)
    assert table.keypoint_names == KEYPOINT_NAMES
    assert table.index == tuple(f"{i}.png" for i in range(count))
    assert (table.name, table.unit) == (name, built(name).unit)


@pytest.mark.parametrize("name", NAMES)
def test_it_leaves_predictions_and_labels_as_they_are(name: str) -> None:
    predictions, labels = predictions_of(poses()), labels_of(poses())
    built(name)(predictions, labels)
    np.testing.assert_array_equal(predictions.xy_img, poses())
    np.testing.assert_array_equal(labels.xy_img, poses())


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_prediction_has_no_value_and_spoils_no_other_frame(name: str) -> None:
    xy = poses()
    xy[-1, 2] = np.nan
    table = built(name)(predictions_of(xy), labels_of(poses()))
    assert np.isnan(table.values[-1, 2])
    assert np.isfinite(table.values[1:-1]).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_without_any_prediction_has_no_value(name: str) -> None:
    xy = poses()
    xy[-1] = np.nan
    assert np.isnan(built(name)(predictions_of(xy), labels_of(poses())).values[-1]).all()


@pytest.mark.parametrize("name", [n for n in NAMES if METRICS.get(n).needs_labels])
def test_a_metric_that_needs_labels_is_undefined_where_there_are_none(name: str) -> None:
    xy = np.full_like(poses(), np.nan)
    assert np.isnan(built(name)(predictions_of(poses()), labels_of(xy)).values).all()


def test_metrics_that_cannot_be_built_say_why_and_do_not_stop_the_others() -> None:
    found = build_metrics(MetricBasis(singleview_columns=[0, 1]))
    assert {metric.name for metric in found.metrics} == {"pixel_error", "temporal_norm"}
    assert len(found.failures) == 1
    assert found.failures[0].startswith("The metric pca_singleview_error cannot be computed: ")
