"""Several cameras: metrics take the views side by side, and each view gets its own table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.metrics.build import MetricBasis, build_metrics, computed
from lightning_pose.metrics.pca_error import PCAMultiviewError, PCASingleviewError
from lightning_pose.metrics.pixel_error import PixelError
from lightning_pose.metrics.views import computed_by_view, labels_side_by_side
from lightning_pose.ops.pca import view_columns

MakePredictions = Callable[..., Predictions]
NAMES = ("top", "side")


@pytest.fixture(scope="module")
def training() -> np.ndarray:
    """Return 60 frames of three points in space, as two linear cameras see them."""
    rng = np.random.default_rng(3)
    moves = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 9)) * 20
    points = (moves + 50 * rng.normal(size=9)).reshape(60, 3, 3)
    points += 0.1 * rng.normal(size=points.shape)
    cameras = rng.normal(size=(2, 3, 2))
    return np.concatenate([100 + points @ cameras[0], 150 + points @ cameras[1]], axis=1)


def views_of(xy: np.ndarray, make_predictions: MakePredictions) -> list[Predictions]:
    return [make_predictions(part) for part in np.split(xy, 2, axis=1)]


def table(xy: np.ndarray, images: tuple[str, ...], visible: np.ndarray | None) -> LabelTable:
    return LabelTable(
        images=images,
        xy_img=xy,
        keypoint_names=tuple(f"k{i}" for i in range(xy.shape[1])),
        root=Path(),
        visible=visible,
    )


def test_each_camera_is_compared_with_its_own_labels(
    training: np.ndarray, make_predictions: MakePredictions
) -> None:
    basis = MetricBasis(training_xy=training, num_views=2, singleview_columns=[0, 1, 2])
    joint = PCASingleviewError.build(basis)
    assert joint is not None
    odd = training[:9] + np.random.default_rng(1).normal(scale=8, size=(9, 6, 2))
    found = computed_by_view(joint, views_of(odd, make_predictions), view_names=NAMES)
    for view, own in enumerate(np.split(training, 2, axis=1)):
        alone = PCASingleviewError.build(
            MetricBasis(training_xy=own, singleview_columns=[0, 1, 2])
        )
        assert alone is not None
        expected = alone(make_predictions(np.split(odd, 2, axis=1)[view])).values
        assert np.nanmean(expected) > 0.1
        np.testing.assert_allclose(found[view].values, expected, rtol=1e-4, atol=1e-3)


def test_views_that_disagree_are_found_across_cameras(
    training: np.ndarray, make_predictions: MakePredictions
) -> None:
    metric = PCAMultiviewError.build(MetricBasis(training_xy=training, num_views=2))
    assert metric is not None
    wrong = training.copy()
    wrong[4, 1] += [0.0, 60.0]
    top, side = computed_by_view(metric, views_of(wrong, make_predictions), view_names=NAMES)
    assert top.values[4, 1] > 1
    np.testing.assert_allclose(np.delete(top.values, 4, axis=0), 0, atol=0.01)
    np.testing.assert_allclose(side.values[:, [0, 2]], 0, atol=0.01)
    assert top.keypoint_names == views_of(wrong, make_predictions)[0].keypoint_names


def test_one_camera_with_too_few_labels_is_named(training: np.ndarray) -> None:
    gappy = training.copy()
    gappy[4:, 3] = np.nan
    found = build_metrics(
        MetricBasis(training_xy=gappy, num_views=2, singleview_columns=[0, 1, 2])
    )
    assert any("3 keypoints in view 2 needs at least 6" in text for text in found.failures)
    assert all(metric.name != "pca_singleview_error" for metric in found.metrics)


def test_labels_of_each_view_are_compared_with_its_predictions(
    training: np.ndarray, make_predictions: MakePredictions
) -> None:
    images = [tuple(f"{view}/img{i}.png" for i in range(60)) for view in NAMES]
    labels = [
        table(xy, names, None) for xy, names in zip(np.split(training, 2, 1), images, strict=True)
    ]
    moved = training + np.array([3.0, 4.0]) * (np.arange(6) >= 3)[:, None]
    predictions = [
        view.with_images(names, ("test",) * 60)
        for view, names in zip(views_of(moved, make_predictions), images, strict=True)
    ]
    predictions = [replace(p, keypoint_names=labels[0].keypoint_names) for p in predictions]
    metric = PixelError()
    top, side = computed_by_view(metric, predictions, labels, view_names=NAMES)
    np.testing.assert_allclose(top.values, 0, atol=1e-6)
    np.testing.assert_allclose(side.values, 5, atol=1e-6)
    assert side.index == images[1]
    with pytest.raises(DataError, match="predict the same label file"):
        computed_by_view(metric, predictions, labels[::-1], view_names=NAMES)


def test_a_single_view_is_computed_as_ever(make_predictions: MakePredictions) -> None:
    predictions = make_predictions(np.zeros((3, 2, 2)))
    (metric,) = [m for m in build_metrics(MetricBasis()).metrics if m.name == "temporal_norm"]
    (found,) = computed_by_view(metric, [predictions])
    np.testing.assert_array_equal(found.values, computed(metric, predictions).values)


def test_visibility_is_known_if_every_view_says_it() -> None:
    said, silent = np.full((2, 2), 2), None
    xy, images = np.zeros((2, 2, 2)), ("a", "b")
    both = labels_side_by_side([table(xy, images, said)] * 2, NAMES)
    assert both.visible is not None
    assert both.visible.shape == (2, 4)
    assert both.keypoint_names == ("k0_top", "k1_top", "k0_side", "k1_side")
    one = labels_side_by_side([table(xy, images, v) for v in (said, silent)], NAMES)
    assert one.visible is None


def test_a_mirror_counts_along_the_whole_axis() -> None:
    assert view_columns(6, num_views=1, matches=[[0, 2], [5, 4]]) == [[0, 2], [5, 4]]
