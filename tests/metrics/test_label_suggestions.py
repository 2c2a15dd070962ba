"""Suggested frames are those the criteria rank high, unlike the labelled ones and each other."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_pose.metrics.label_suggestions import (
    pose_features,
    suggest_frames,
    worth_of_frames,
)

FRAMES = 100
NONE = np.zeros((0, 2, 2))
ROWS = np.arange(FRAMES)


@pytest.fixture
def poses() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 5, (FRAMES, 2, 2))


def rows(scores: np.ndarray, poses: np.ndarray, known: np.ndarray = NONE, **wishes: int) -> list:
    wished = {"count": 5, "apart": 1, **wishes}
    found = suggest_frames(
        {"disagreement": scores},
        poses,
        labelled_xy=known,
        videos=ROWS // 50,
        frames=ROWS % 50,
        **wished,
    )
    return [one.row for one in found]


def test_the_worst_frame_comes_first_where_nothing_is_labelled(poses: np.ndarray) -> None:
    scores = np.random.default_rng(1).permutation(FRAMES).astype(float)
    assert rows(scores, poses)[0] == scores.argmax()


def test_a_second_look_at_the_same_pose_is_not_suggested(poses: np.ndarray) -> None:
    """The twenty worst frames show one pose; the next worst show others."""
    scores = np.arange(FRAMES, 0, -1.0)
    poses[:20] = poses[0]
    found = rows(scores, poses)
    assert sum(row < 20 for row in found) == 1


def test_poses_that_are_labelled_already_are_passed_over(poses: np.ndarray) -> None:
    scores = np.arange(FRAMES, 0, -1.0)
    found = rows(scores, poses, known=poses[:10])
    assert not set(found) & set(range(10))


def test_frames_that_promise_little_are_not_taken_for_their_rare_pose(poses: np.ndarray) -> None:
    scores = np.arange(FRAMES, 0, -1.0)
    poses[FRAMES - 1] += 1000.0
    assert FRAMES - 1 not in rows(scores, poses)


def test_frames_of_a_video_keep_their_distance(poses: np.ndarray) -> None:
    found = rows(np.arange(FRAMES, 0, -1.0), poses, count=10, apart=4)
    for video in (0, 1):
        of_video = sorted(row for row in found if row // 50 == video)
        assert all(np.diff(of_video) >= 4)


def test_a_criterion_that_knows_nothing_moves_nothing() -> None:
    worth, _ = worth_of_frames({"a": np.array([3.0, 1.0, 2.0]), "b": np.full(3, np.nan)})
    assert worth.argsort().tolist() == [1, 2, 0]


def test_a_missing_point_adds_no_distance() -> None:
    poses = np.array([[[0.0, 0.0], [10.0, 10.0]], [[0.0, 0.0], [np.nan, np.nan]]])
    first, second = pose_features(poses)
    np.testing.assert_allclose(first, second)
