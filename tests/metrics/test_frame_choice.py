"""Which frames are chosen: the most telling ones, spread in time, in turns."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_pose.metrics.frame_choice import (
    ASKED_FOR,
    DISAGREEMENT,
    JUMP,
    LOW_CONFIDENCE,
    UNIFORM,
    choose_frames,
    ensemble_spread,
    frame_scores,
)


def test_neighbours_of_a_chosen_frame_are_not_chosen() -> None:
    score = np.zeros(200)
    score[100:120] = np.arange(20, 0, -1)
    chosen = choose_frames({"a": score}, 8, num_frames=200)
    frames = [one.frame for one in chosen]
    assert 100 in frames
    assert min(np.diff(frames)) >= 200 // (4 * 8)


def test_every_criterion_has_its_turn() -> None:
    first, second = np.arange(100.0), -np.arange(100.0)
    chosen = choose_frames({"first": first, "second": second}, 6, num_frames=100)
    reasons = [one.reason for one in chosen]
    assert {name: reasons.count(name) for name in set(reasons)} == {
        "first": 2,
        "second": 2,
        UNIFORM: 2,
    }
    assert next(one for one in chosen if one.frame == 99).reason == "first"


def test_frames_without_a_score_are_left_to_the_others() -> None:
    score = np.full(50, np.nan)
    score[30] = 1.0
    chosen = choose_frames({"pca": score}, 4, num_frames=50)
    assert [one.frame for one in chosen if one.reason == "pca"] == [30]
    assert len(chosen) == 4


@pytest.mark.parametrize(("count", "frames"), [(5, 3), (3, 3), (0, 10)])
def test_a_short_video_is_taken_whole_and_no_frame_twice(count: int, frames: int) -> None:
    chosen = choose_frames({"a": np.ones(frames)}, count, num_frames=frames)
    numbers = [one.frame for one in chosen]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == min(count, frames)


def test_frames_asked_for_come_on_top() -> None:
    chosen = choose_frames({"a": np.arange(100.0)}, 3, num_frames=100, asked_for=[40, 41, 900])
    assert [one.frame for one in chosen if one.reason == ASKED_FOR] == [40, 41]
    assert len(chosen) == 5


def test_the_choice_is_the_same_every_time() -> None:
    scores = {"a": np.random.default_rng(0).random(500)}
    again = [choose_frames(scores, 20, num_frames=500) for _ in range(2)]
    assert [o.frame for o in again[0]] == [o.frame for o in again[1]]


def test_spread_is_the_root_mean_square_distance_from_the_mean() -> None:
    xy = np.random.default_rng(1).normal(size=(4, 6, 3, 2))
    expected = np.sqrt(xy.var(0).sum(-1))
    np.testing.assert_allclose(ensemble_spread(xy), expected)
    xy[1:, 0, 0] = np.nan  # one model alone has the point
    assert np.isnan(ensemble_spread(xy)[0, 0])


def test_scores_point_at_the_frame_that_is_wrong() -> None:
    xy = np.zeros((2, 40, 3, 2))
    confidence = np.full((2, 40, 3), 0.9)
    xy[1, 7, 2] = 30.0  # the models disagree, and the second jumps there and back
    confidence[0, 11] = 0.1
    pca = np.zeros((2, 40, 3))
    pca[0, 25] = 5.0
    scores = frame_scores(xy, confidence, {"pca_singleview_error": pca})
    assert list(scores) == [DISAGREEMENT, LOW_CONFIDENCE, JUMP, "pca_singleview_error"]
    assert scores[DISAGREEMENT].argmax() == 7
    assert scores[LOW_CONFIDENCE].argmax() == 11
    assert set(np.flatnonzero(scores[JUMP] > 1)) == {7, 8}
    assert scores["pca_singleview_error"].argmax() == 25


def test_criteria_that_say_nothing_are_left_out() -> None:
    xy = np.zeros((1, 5, 2, 2))
    scores = frame_scores(xy, np.full((1, 5, 2), np.nan))
    assert list(scores) == [JUMP]
