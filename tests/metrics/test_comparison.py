"""The comparison of two sides: its verdict, its keypoints, its sets, and where models disagree."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lightning_pose.metrics.comparison import compare_errors
from lightning_pose.metrics.frame_choice import ensemble_spread
from lightning_pose.metrics.hard_keypoints import hard_curve

IMAGES = [f"s{row % 8}/i{row}.png" for row in range(40)]


def errors(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(2, 4, (40, 3))


@pytest.mark.parametrize("shift", [-1.0, -0.01, 0.0, 0.01, 1.0])
@pytest.mark.parametrize("runs", [1, 3])
def test_the_verdict_claims_no_more_than_the_interval(shift: float, runs: int) -> None:
    rng = np.random.default_rng(0)
    base = errors(0)
    first = [base + rng.normal(0, 0.5, base.shape) for _ in range(runs)]
    second = [base + shift + rng.normal(0, 0.5, base.shape) for _ in range(runs)]
    found = compare_errors(first, second, images=IMAGES, keypoint_names="abc")
    holds_zero = found.overall.low_px <= 0 <= found.overall.high_px
    sentence = found.verdict("A", "B")
    what = "configuration" if runs == 3 else "trained model"
    other = "trained model" if runs == 3 else "configuration"
    assert sentence.startswith("No difference") == holds_zero
    assert what in sentence
    assert other not in sentence
    if not holds_zero:
        better, worse = ("B", "A") if shift < 0 else ("A", "B")
        assert sentence.startswith(f"The {what} {better} errs less than the {what} {worse}")
    assert f"{found.overall.low_px:+.2f} to {found.overall.high_px:+.2f} px" in sentence


def test_each_keypoint_is_compared_by_itself() -> None:
    first = np.array([[1.0, 5.0, np.nan], [1.0, 7.0, 2.0], [1.0, 9.0, np.nan]])
    second = first + np.array([1.0, -2.0, 0.0])
    images = ["a/1", "a/2", "a/3"]
    found = compare_errors([first], [second], images=images, keypoint_names=["x", "y", "z"])
    assert {n: one.difference_px for n, one in found.by_keypoint.items()} == {"x": 1.0, "y": -2.0}
    assert "of that session alone" in found.verdict("A", "B")


def test_one_session_and_few_sessions_are_remarked_on() -> None:
    first, second = [errors(0)], [errors(1)]
    names = ["x", "y", "z"]
    one = compare_errors(first, second, images=[f"s/{i}" for i in range(40)], keypoint_names=names)
    assert "blocks of neighbouring frames" in " ".join(one.remarks())
    images = [f"{i % 2}/{i}" for i in range(40)]
    two = compare_errors(first, second, images=images, keypoint_names=names)
    assert "There are 2 sessions, so the interval is wide" in " ".join(two.remarks())
    many = compare_errors(first * 3, second * 3, images=IMAGES, keypoint_names=names)
    assert not [remark for remark in many.remarks() if "session" in remark]


def test_two_sessions_with_the_same_difference_claim_nothing_and_say_why() -> None:
    first = errors(0)
    images = [f"{i % 2}/{i}" for i in range(40)]
    found = compare_errors([first], [first + 1.0], images=images, keypoint_names="abc")
    assert found.verdict("A", "B") == (
        "No difference between the trained models A and B is shown: the 95 % interval has no "
        "bounds (2 sessions)."
    )
    why = "fewer than three do not tell how much it varies"
    assert why in " ".join(found.remarks())
    assert found.adjusted_p == {"a": 1.0, "b": 1.0, "c": 1.0}
    alike = compare_errors([first], [first], images=images, keypoint_names="abc")
    assert why not in " ".join(alike.remarks())


def test_keypoints_that_differ_by_chance_are_allowed_for() -> None:
    rng = np.random.default_rng(1)
    first = rng.normal(5, 1, (40, 60))
    second = first + rng.normal(0, 1, first.shape)
    names = [f"k{column}" for column in range(60)]
    found = compare_errors([first], [second], images=IMAGES, keypoint_names=names)
    shown = [name for name, one in found.by_keypoint.items() if one.shown]
    assert shown
    assert not [name for name in shown if found.adjusted_p[name] < 0.05]


def test_each_set_of_frames_is_told_by_itself() -> None:
    first = errors(0)
    second = first + np.repeat([1.0, -1.0], 20)[:, None]
    parts = ["seen"] * 20 + ["new"] * 20
    found = compare_errors([first], [second], images=IMAGES, keypoint_names="abc", parts=parts)
    differences = {name: one.difference_px for name, one in found.by_part.items()}
    assert differences == pytest.approx({"seen": 1.0, "new": -1.0})
    assert found.overall.difference_px == pytest.approx(0)
    json.dumps(found.as_plain())


def test_the_curve_begins_with_all_keypoints_and_ends_with_those_in_dispute() -> None:
    rng = np.random.default_rng(2)
    xy = [rng.normal(0, 1, (40, 3, 2)) for _ in range(2)]
    xy[1][:20, 0] += 50  # models disagree on one keypoint, where the second is right
    first = np.where(np.arange(40)[:, None] < 20, [50.0, 1.0, 1.0], 1.0)
    second = np.ones((40, 3))
    curve = hard_curve([first], [second], ensemble_spread(np.stack(xy)), images=IMAGES, models=2)
    whole = compare_errors([first], [second], images=IMAGES, keypoint_names="abc").overall
    assert curve.points[0].difference == whole
    assert curve.points[0].points == 120
    last = curve.points[-1]
    assert last.spread_px > 20
    assert last.difference.difference_px == pytest.approx(-49.0)
    spreads = [point.spread_px for point in curve.points]
    assert spreads == sorted(spreads)


def test_the_spread_of_two_models_is_half_their_distance() -> None:
    first, second = (np.random.default_rng(seed).normal(size=(5, 2, 2)) for seed in (0, 1))
    expected = np.linalg.norm(first - second, axis=-1) / 2
    np.testing.assert_allclose(ensemble_spread(np.stack([first, second])), expected)
