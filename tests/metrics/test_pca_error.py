"""Distance from the labelled kind of poses, against scikit-learn and a pair of cameras."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.decomposition import PCA

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.metrics.build import MetricBasis
from lightning_pose.metrics.pca_error import PCAMultiviewError, PCASingleviewError

NAN = float("nan")
PARTS = 3
MATCHES = [[0, 1, 2], [3, 4, 5]]
MakePredictions = Callable[..., Predictions]


@pytest.fixture(scope="module")
def seen_by_two_cameras() -> np.ndarray:
    """Return 20 frames of three points, in a first and then in a second linear camera."""
    rng = np.random.default_rng(3)
    points = rng.normal(size=(20, PARTS, 3)) * 20
    cameras = rng.normal(size=(2, 3, 2))
    return np.concatenate([100 + points @ cameras[0], 150 + points @ cameras[1]], axis=1)


def multiview(training: np.ndarray) -> PCAMultiviewError:
    metric = PCAMultiviewError.build(MetricBasis(training_xy=training, matched_columns=MATCHES))
    assert metric is not None
    return metric


def test_singleview_error_is_that_of_scikit_learn(make_predictions: MakePredictions) -> None:
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 8)) * 20
    training = (100 + wide + rng.normal(size=(40, 8)) * 0.1).reshape(40, 4, 2)
    metric = PCASingleviewError.build(
        MetricBasis(training_xy=training, singleview_columns=[0, 2, 3])
    )
    assert metric is not None
    odd = training[:5] + rng.normal(size=(5, 4, 2)) * 6
    found = metric(make_predictions(odd)).values
    chosen = [0, 2, 3]
    reference = PCA(n_components=0.99, svd_solver="full").fit(training[:, chosen].reshape(40, 6))
    flat = odd[:, chosen].reshape(5, 6)
    nearest = reference.inverse_transform(reference.transform(flat)).reshape(5, 3, 2)
    expected = np.linalg.norm(odd[:, chosen] - nearest, axis=-1)
    np.testing.assert_allclose(found[:, chosen], expected, atol=1e-2)
    assert np.isnan(found[:, 1]).all()


def test_multiview_error_is_zero_for_points_that_two_cameras_can_see(
    seen_by_two_cameras: np.ndarray, make_predictions: MakePredictions
) -> None:
    values = multiview(seen_by_two_cameras)(make_predictions(seen_by_two_cameras)).values
    np.testing.assert_allclose(values, 0.0, atol=1e-2)


def test_multiview_error_finds_the_part_that_the_views_do_not_agree_on(
    seen_by_two_cameras: np.ndarray, make_predictions: MakePredictions
) -> None:
    wrong = seen_by_two_cameras.copy()
    wrong[4, 4] += [0.0, 60.0]
    values = multiview(seen_by_two_cameras)(make_predictions(wrong)).values
    off = values > 1.0
    assert set(np.argwhere(off)[:, 0]) == {4}
    assert set(np.argwhere(off)[:, 1]) <= {1, 4}
    assert off.any()


def test_a_keypoint_in_one_view_only_has_no_error(make_predictions: MakePredictions) -> None:
    rng = np.random.default_rng(2)
    training = rng.normal(size=(9, 5, 2))
    metric = PCAMultiviewError.build(
        MetricBasis(training_xy=training, matched_columns=[[0, 1], [3, 4]])
    )
    assert metric is not None
    values = metric(make_predictions(training)).values
    assert np.isnan(values).any(axis=0).tolist() == [False, False, True, False, False]


def test_multiview_poses_with_a_missing_point_teach_nothing_but_the_others_do(
    seen_by_two_cameras: np.ndarray, make_predictions: MakePredictions
) -> None:
    training = seen_by_two_cameras.copy()
    training[:, 5] = NAN  # the third part is never seen by the second camera
    values = multiview(training)(make_predictions(seen_by_two_cameras)).values
    np.testing.assert_allclose(values, 0.0, atol=5e-2)


def test_too_few_complete_poses_are_refused_with_both_numbers() -> None:
    training = np.random.default_rng(0).normal(size=(12, 4, 2))
    training[7:, 0] = NAN
    basis = MetricBasis(training_xy=training, singleview_columns=[0, 1, 2, 3])
    with pytest.raises(DataError, match=r"of 4 keypoints needs at least 8 .* and has 7\."):
        PCASingleviewError.build(basis)


def test_too_few_points_in_both_views_are_refused_with_both_numbers() -> None:
    training = np.full((10, 6, 2), NAN)
    training[:1] = np.random.default_rng(0).normal(size=(1, 6, 2))
    with pytest.raises(DataError, match=r"of 2 views needs at least 4 .* and has 3\."):
        multiview(training)


@pytest.mark.parametrize("metric", [PCASingleviewError, PCAMultiviewError])
def test_unknown_training_labels_are_said(metric: type) -> None:
    basis = MetricBasis(singleview_columns=[0, 1], matched_columns=MATCHES)
    with pytest.raises(DataError, match="not at hand"):
        metric.build(basis)


@pytest.mark.parametrize("metric", [PCASingleviewError, PCAMultiviewError])
def test_nothing_is_built_that_was_not_asked_for(metric: type) -> None:
    assert metric.build(MetricBasis(training_xy=np.zeros((3, 2, 2)))) is None


def test_one_view_alone_is_no_multiview_analysis() -> None:
    basis = MetricBasis(training_xy=np.zeros((3, 2, 2)), matched_columns=[[0, 1]])
    assert PCAMultiviewError.build(basis) is None
