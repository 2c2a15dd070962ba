"""The paired difference of two models' errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lightning_pose.contracts.errors import DataError
from lightning_pose.metrics.comparison import compare_errors, paired_difference


def noisy(seed: int, *, frames: int, keypoints: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, 2.0, size=(frames, keypoints))


def test_of_one_session_it_is_the_paired_t_test_of_frames() -> None:
    first, second = noisy(0, frames=12), noisy(1, frames=12) + 1
    found = paired_difference(first, second, [f"s/{row}.png" for row in range(12)])
    expected = stats.ttest_rel(second.mean(1), first.mean(1))
    interval = expected.confidence_interval()
    assert not found.by_session
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low_px, found.high_px) == pytest.approx((interval.low, interval.high))
    assert found.difference_px == pytest.approx(found.second_px - found.first_px)


def test_sessions_of_equal_length_are_tested_by_their_means() -> None:
    first, second = noisy(0, frames=24), noisy(1, frames=24)
    images = [f"session{row // 4}/{row}.png" for row in range(24)]
    found = paired_difference(first, second, images)
    by_session = (second - first).mean(1).reshape(6, 4).mean(1)
    expected = stats.ttest_1samp(by_session, 0.0)
    assert (found.by_session, found.groups) == (True, 6)
    assert found.p_value == pytest.approx(expected.pvalue)


def test_frames_that_are_alike_do_not_count_as_many() -> None:
    offsets = np.repeat(np.random.default_rng(0).normal(1.0, 1.0, size=6), 20)[:, None]
    first = np.full((120, 2), 5.0)
    images = [f"session{row // 20}/{row}.png" for row in range(120)]
    by_session = paired_difference(first, first + offsets, images)
    by_frame = paired_difference(first, first + offsets, [f"s/{row}.png" for row in range(120)])
    width = by_session.high_px - by_session.low_px
    assert width > 3 * (by_frame.high_px - by_frame.low_px)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    images = [f"session{row // 5}/{row}.png" for row in range(40)]
    inside = 0
    for _ in range(400):
        session = np.repeat(rng.normal(size=8), 5)
        second = (0.5 + session + rng.normal(size=40))[:, None]
        found = paired_difference(np.zeros((40, 1)), second, images)
        inside += found.low_px < 0.5 < found.high_px
    assert 0.92 < inside / 400 < 0.98


def test_points_that_are_not_labelled_count_for_neither() -> None:
    first = np.array([[1.0, np.nan], [2.0, 4.0], [np.nan, np.nan]])
    second = first + np.array([[1.0, 9.0], [1.0, 3.0], [9.0, 9.0]])
    found = paired_difference(first, second, ["a", "b", "c"])
    assert (found.frames, found.difference_px) == (2, 1.5)


def test_equal_models_do_not_differ() -> None:
    errors = noisy(0, frames=5)
    found = paired_difference(errors, errors, list("abcde"))
    assert (found.low_px, found.high_px, found.p_value) == (0.0, 0.0, 1.0)


def test_too_few_frames_and_missing_places_are_refused() -> None:
    with pytest.raises(DataError, match="two labelled frames or more, got 1"):
        paired_difference(np.ones((1, 1)), np.ones((1, 1)), ["a"])
    with pytest.raises(DataError, match="leaves out"):
        paired_difference(np.ones((2, 1)), np.array([[1.0], [np.nan]]), ["a", "b"])


def test_the_verdict_claims_no_more_than_the_interval() -> None:
    rng = np.random.default_rng(0)
    first = rng.uniform(2, 4, (40, 3))
    images = [f"s{row % 8}/i{row}.png" for row in range(40)]
    for shift in (-1.0, -0.01, 0.0, 0.01, 1.0):
        noisy = first + shift + rng.normal(0, 0.5, first.shape)
        found = compare_errors(first, noisy, images=images, keypoint_names="abc")
        holds_zero = found.overall.low_px <= 0 <= found.overall.high_px
        sentence = found.verdict("A", "B")
        assert sentence.startswith("No difference") == holds_zero
        if not holds_zero:
            assert sentence.startswith("B errs less" if shift < 0 else "A errs less")
        assert f"{found.overall.low_px:+.2f} to {found.overall.high_px:+.2f} px" in sentence


def test_each_keypoint_is_compared_by_itself() -> None:
    first = np.array([[1.0, 5.0, np.nan], [1.0, 7.0, 2.0], [1.0, 9.0, np.nan]])
    second = first + np.array([1.0, -2.0, 0.0])
    found = compare_errors(first, second, images=["a", "b", "c"], keypoint_names=["x", "y", "z"])
    assert {n: one.difference_px for n, one in found.by_keypoint.items()} == {"x": 1.0, "y": -2.0}
    assert "of these sessions alone" in found.verdict("A", "B")
