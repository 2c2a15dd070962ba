"""The numbers of metrics.json, worked out by hand, and what they are when there is nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.metrics.intervals import bootstrap_interval
from lightning_pose.metrics.summary import (
    object_keypoint_similarity,
    summarise_confidence,
    summarise_errors,
    summarise_labels,
    summarise_video,
)
from lightning_pose.metrics.temporal_norm import TemporalNorm

NAN = float("nan")
MakeLabels = Callable[..., LabelTable]
MakePredictions = Callable[..., Predictions]


def test_errors_are_summed_up_over_labelled_points() -> None:
    found = summarise_errors(np.array([[1.0, NAN], [5.0, 10.0], [NAN, 24.0]]))
    assert found["n"] == 4
    assert found["mean_px"] == 10.0
    assert found["median_px"] == 7.5
    assert found["p90_px"] == pytest.approx(10 + 0.7 * 14)  # between the third and the fourth
    assert (found["pck_5px"], found["pck_10px"]) == (0.5, 0.75)


@pytest.mark.parametrize("error", [np.zeros((0, 3)), np.full((2, 3), NAN)])
def test_without_labelled_points_there_are_only_zero_of_them(error: np.ndarray) -> None:
    assert summarise_errors(error, intervals=True) == {"n": 0}


def test_each_part_and_keypoint_has_its_own_numbers(
    make_labels: MakeLabels, make_predictions: MakePredictions
) -> None:
    predictions = make_predictions(
        [[[3, 4], [0, 1]], [[6, 8], [0, 0]], [[0, 2], [0, 0]]], sets=["train", "test", "test"]
    )
    labels = make_labels(
        [[[0, 0], [0, 0]], [[0, 0], [NAN, NAN]], [[0, 0], [0, 0]]],
        visible=[[2, 1], [2, 0], [1, 2]],
    )
    found = summarise_labels(predictions, labels)
    assert list(found) == ["train", "test"]
    assert found["train"]["mean_px"] == 3.0
    assert found["test"]["images"] == 2
    assert found["test"]["keypoints"]["point0"]["mean_px"] == 6.0
    assert found["test"]["occluded"]["mean_px"] == 2.0
    assert found["test"]["visible"]["n"] == 2


def test_confidence_is_judged_on_right_and_wrong_points() -> None:
    error = np.array([[1.0, 5.0, 7.0, 30.0, NAN]])
    found = summarise_confidence(error, np.array([[0.95, 0.5, 0.99, 0.2, 0.99]]))
    assert (found["right"], found["sure_of_right"]) == (2, 0.5)
    assert (found["wrong"], found["sure_of_wrong"]) == (1, 0.0)
    assert sum(part["n"] for part in found["bins"]) == 4
    assert [p["mean_px"] for p in found["bins"] if p["n"]] == [30.0, 5.0, 4.0]


def test_unknown_confidence_is_not_judged() -> None:
    assert summarise_confidence(np.ones((2, 2)), np.full((2, 2), NAN)) == {}


def test_similarity_is_one_for_perfect_poses_and_falls_with_distance() -> None:
    xy = np.array([[[0.0, 0.0], [10.0, 20.0]], [[0.0, 0.0], [10.0, 20.0]]])
    error = np.array([[0.0, 0.0], [0.0, 2.0]])
    found = object_keypoint_similarity(error, xy)
    np.testing.assert_allclose(found, [1.0, (1 + np.exp(-4 / (2 * 200 * 0.01))) / 2])


def test_similarity_needs_two_labelled_points() -> None:
    xy = np.array([[[0.0, 0.0], [NAN, NAN]], [[NAN, NAN], [NAN, NAN]]])
    assert np.isnan(object_keypoint_similarity(np.array([[1.0, NAN], [NAN, NAN]]), xy)).all()


def test_an_interval_of_independent_images_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(0).normal(10, 2, size=(400, 1))
    low, high = bootstrap_interval(values, lambda x: float(x.mean()))
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.04)
    assert high == pytest.approx(values.mean() + half, abs=0.04)


def test_points_of_an_image_are_drawn_together() -> None:
    one = np.random.default_rng(0).normal(10, 2, size=(50, 1))
    low, high = bootstrap_interval(one, lambda x: float(x.mean()))
    again = bootstrap_interval(np.repeat(one, 20, axis=1), lambda x: float(x.mean()))
    assert again == pytest.approx((low, high))


def test_an_interval_is_the_same_every_time() -> None:
    values = np.random.default_rng(1).normal(size=(9, 2))
    pair = [bootstrap_interval(values, lambda x: float(x.mean())) for _ in range(2)]
    assert pair[0] == pair[1]


@pytest.mark.parametrize("values", [np.zeros((0, 2)), np.ones((1, 2)), np.full((3, 2), NAN)])
def test_fewer_than_two_images_have_no_interval(values: np.ndarray) -> None:
    assert np.isnan(bootstrap_interval(values, lambda x: float(x.mean()))).all()


def test_a_video_is_summed_up_metric_by_metric(make_predictions: MakePredictions) -> None:
    predictions = make_predictions([[[0, 0]], [[3, 4]], [[3, 5]]], images=False, confidence=0.5)
    found = summarise_video(predictions, [TemporalNorm()(predictions)])
    assert (found["frames"], found["mean_likelihood"]) == (3, 0.5)
    assert found["temporal_norm"]["mean"] == 3.0


def test_a_video_of_one_frame_has_no_jumps(make_predictions: MakePredictions) -> None:
    predictions = make_predictions([[[0, 0]]], images=False, confidence=NAN)
    found = summarise_video(predictions, [TemporalNorm()(predictions)])
    assert found["mean_likelihood"] is None
    assert found["temporal_norm"] == {"mean": None, "median": None, "p90": None, "unit": "px"}
