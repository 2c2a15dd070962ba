"""Pixel error and jumps, on sets small enough to check by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.metrics.pixel_error import PixelError
from lightning_pose.metrics.temporal_norm import TemporalNorm

NAN = float("nan")
MakeLabels = Callable[..., LabelTable]
MakePredictions = Callable[..., Predictions]


def test_pixel_error_is_the_euclidean_distance(
    make_labels: MakeLabels, make_predictions: MakePredictions
) -> None:
    labels = make_labels([[[0, 0], [10, 10]], [[5, 5], [1, 2]]])
    table = PixelError()(make_predictions([[[3, 4], [10, 10]], [[5, -7], [7, 10]]]), labels)
    assert table.values.tolist() == [[5.0, 0.0], [12.0, 10.0]]
    assert table.index == ("img0.png", "img1.png")


def test_points_nobody_labelled_have_no_error(
    make_labels: MakeLabels, make_predictions: MakePredictions
) -> None:
    labels = make_labels([[[NAN, NAN], [0, NAN]], [[NAN, 3], [0, 0]]])
    values = PixelError()(make_predictions(np.zeros((2, 2, 2))), labels).values
    assert np.isnan(values).tolist() == [[True, True], [True, False]]


def test_a_set_without_images_has_an_empty_table(
    make_labels: MakeLabels, make_predictions: MakePredictions
) -> None:
    empty = np.zeros((0, 2, 2))
    assert PixelError()(make_predictions(empty), make_labels(empty)).values.shape == (0, 2)


def test_labels_are_needed(make_predictions: MakePredictions) -> None:
    with pytest.raises(DataError, match="there are none"):
        PixelError()(make_predictions(np.zeros((1, 2, 2))))


def test_labels_of_other_images_are_refused_also_when_they_are_as_many(
    make_labels: MakeLabels, make_predictions: MakePredictions
) -> None:
    labels = make_labels(np.zeros((2, 1, 2)), images=["img0.png", "other.png"])
    with pytest.raises(DataError, match=r"Row 1 is the image other\.png .* img1\.png"):
        PixelError()(make_predictions(np.zeros((2, 1, 2))), labels)


def test_labels_in_another_order_are_refused(
    make_labels: MakeLabels, make_predictions: MakePredictions
) -> None:
    labels = make_labels(np.zeros((2, 1, 2)), images=["img1.png", "img0.png"])
    with pytest.raises(DataError, match="Row 0"):
        PixelError()(make_predictions(np.zeros((2, 1, 2))), labels)


@pytest.mark.parametrize("images", [True, False])
def test_labels_of_another_number_are_refused_with_both_numbers(
    make_labels: MakeLabels, make_predictions: MakePredictions, images: bool
) -> None:
    labels = make_labels(np.zeros((3, 1, 2)))
    with pytest.raises(DataError, match="3 labelled images and 2 predicted"):
        PixelError()(make_predictions(np.zeros((2, 1, 2)), images=images), labels)


def test_labels_of_other_keypoints_are_refused(
    make_labels: MakeLabels, make_predictions: MakePredictions
) -> None:
    with pytest.raises(DataError, match="point0, point1; the predictions have point0"):
        PixelError()(make_predictions(np.zeros((2, 1, 2))), make_labels(np.zeros((2, 2, 2))))


def test_video_predictions_are_compared_with_truth_by_row(
    make_labels: MakeLabels, make_predictions: MakePredictions
) -> None:
    predictions = make_predictions([[[0, 1]], [[0, 2]]], images=False)
    table = PixelError()(predictions, make_labels(np.zeros((2, 1, 2))))
    assert table.values.tolist() == [[1.0], [2.0]]
    assert table.index == (0, 1)


def test_a_jump_is_measured_from_the_frame_before(make_predictions: MakePredictions) -> None:
    values = TemporalNorm()(
        make_predictions([[[0, 0]], [[3, 4]], [[3, 4]], [[NAN, 0]], [[0, 0]]], images=False)
    ).values[:, 0]
    np.testing.assert_array_equal(values, [NAN, 5, 0, NAN, NAN])


@pytest.mark.parametrize("frames", [0, 1])
def test_one_frame_or_none_has_no_jump(make_predictions: MakePredictions, frames: int) -> None:
    values = TemporalNorm()(make_predictions(np.zeros((frames, 2, 2)), images=False)).values
    assert values.shape == (frames, 2)
    assert np.isnan(values).all()


def test_the_csv_has_a_column_a_keypoint_and_the_set_last(
    make_labels: MakeLabels, make_predictions: MakePredictions, tmp_path: Path
) -> None:
    predictions = make_predictions([[[3, 4]], [[0, 0]]], sets=["train", "test"])
    table = PixelError()(predictions, make_labels([[[0, 0]], [[NAN, NAN]]]))
    frame = pd.read_csv(table.to_csv(tmp_path / "error.csv"), index_col=0)
    assert list(frame.columns) == ["point0", "set"]
    assert frame.loc["img0.png"].tolist() == [5.0, "train"]
    assert pd.isna(frame.loc["img1.png", "point0"])
