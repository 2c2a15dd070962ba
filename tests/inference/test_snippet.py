"""The snippet is where most happens."""

from __future__ import annotations

import numpy as np

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.snippet import most_active_window


def walk(steps: np.ndarray, confidence: np.ndarray | float = 1.0) -> Predictions:
    """Return one keypoint that moves ``steps`` pixels from frame to frame."""
    x = np.concatenate([[0.0], np.cumsum(steps)])
    xy = np.stack([x, np.zeros_like(x)], axis=-1)[:, None].astype(np.float32)
    sure = np.broadcast_to(np.asarray(confidence, dtype=np.float32), (len(x),))[:, None].copy()
    return Predictions(
        xy_img=xy, confidence=sure, keypoint_names=("a",), frame_ids=np.arange(len(x))
    )


def test_the_window_with_most_motion_is_found() -> None:
    steps = np.ones(99)
    steps[60:70] = 5
    window = most_active_window(walk(steps), fps=1, seconds=11.0)
    assert window == range(60, 71)


def test_an_independent_search_agrees() -> None:
    steps = np.random.default_rng(0).exponential(size=199)
    window = most_active_window(walk(steps), fps=10, seconds=3.0)
    energies = [steps[start : start + 29].sum() for start in range(171)]
    assert window == range(int(np.argmax(energies)), int(np.argmax(energies)) + 30)


def test_unsure_motion_does_not_count() -> None:
    steps = np.ones(99)
    steps[60:70] = 50
    confidence = np.ones(100)
    confidence[58:73] = 0.3
    window = most_active_window(walk(steps, confidence), fps=1, seconds=11.0)
    assert 65 not in window


def test_a_short_video_is_taken_whole() -> None:
    assert most_active_window(walk(np.ones(9)), fps=1, seconds=30.0) == range(10)


def test_a_tracker_that_cannot_tell_its_confidence_is_believed() -> None:
    steps = np.ones(99)
    steps[60:70] = 5
    window = most_active_window(walk(steps, float("nan")), fps=1, seconds=11.0)
    assert window == range(60, 71)


def test_without_one_sure_keypoint_the_beginning_is_taken() -> None:
    assert most_active_window(walk(np.ones(99), 0.1), fps=1, seconds=10.0) == range(10)
