"""What a confidence is worth, and the map from it to a probability."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.metrics.calibration import (
    ScoredPoints,
    calibration_table,
    reliability,
    share_interval,
)
from lightning_pose.metrics.isotonic import isotonic_steps, share_of_size_px


def overconfident(seed: int, *, frames: int = 200) -> ScoredPoints:
    """Return points that lie within 5 px with the square of their confidence as probability."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0, 1, (frames, 4))
    error = np.where(rng.uniform(size=confidence.shape) < confidence**2, 2.0, 9.0)
    return ScoredPoints.of(error, confidence, [f"s{row % 10}/{row}" for row in range(frames)])


def test_the_map_finds_the_probability() -> None:
    confidence, probability = isotonic_steps(overconfident(0, frames=2000), within_px=5.0)
    at = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(np.interp(at, confidence, probability), at**2, atol=0.06)
    assert (np.diff(confidence) >= 0).all()
    assert (np.diff(probability) >= 0).all()
    assert 0 < probability[0] < probability[-1] < 1


def test_calibration_helps_points_it_was_not_fitted_on() -> None:
    confidence, probability = isotonic_steps(overconfident(0), within_px=5.0)
    points = overconfident(1)
    found = reliability(
        points, np.interp(points.confidence, confidence, probability), within_px=5.0
    )
    assert found is not None
    assert found.after.expected_error < 0.5 * found.before.expected_error
    assert found.brier_change_95[1] < 0
    assert found.after.brier - found.before.brier == pytest.approx(found.brier_change)
    json.dumps(found.as_plain())


def test_a_bin_tells_its_share_and_its_mean_error() -> None:
    error = np.array([[1.0, 9.0], [2.0, 4.0], [3.0, np.nan]])
    confidence = np.array([[0.96, 0.97], [0.2, 0.98], [0.99, 0.5]])
    points = ScoredPoints.of(error, confidence, ["a/1", "b/1", "c/1"])
    table = calibration_table(points, within_px=5.0)
    assert table is not None
    assert table.points == 5
    last = table.bins[-1]
    assert (last.points, last.within, last.mean_px) == (4, 0.75, pytest.approx(17 / 4))
    expected = (4 * abs(0.975 - 0.75) + abs(0.2 - 1)) / 5
    assert table.expected_error == pytest.approx(expected)
    assert (
        calibration_table(ScoredPoints.of(error * np.nan, confidence, "abc"), within_px=5.0)
        is None
    )


def test_a_share_of_all_is_not_sure() -> None:
    images = [f"s{row // 5}/{row}" for row in range(40)]
    low, high = share_interval(np.ones(40), images) or (0, 0)
    assert 0.4 < low < 0.8
    assert high == pytest.approx(1.0)
    alike = np.repeat([1.0, 0.0] * 4, 5)
    wide = share_interval(alike, images) or (0, 0)
    narrow = share_interval(np.tile([1.0, 0.0], 20), images) or (0, 0)
    assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0])


def test_too_little_to_fit_on_is_refused() -> None:
    few = overconfident(0, frames=10)
    with pytest.raises(DataError, match=r"50 labelled keypoints or more.*got 40"):
        isotonic_steps(few, within_px=5.0)
    with pytest.raises(DataError, match="Only 0 of 800 keypoints lie farther"):
        isotonic_steps(overconfident(0), within_px=50.0)


def test_the_size_of_an_animal_is_the_longer_side_of_its_box() -> None:
    frame = np.array([[0.0, 0.0], [100.0, 40.0], [np.nan, np.nan]])
    alone = np.full((3, 2), np.nan)
    alone[0] = 7.0
    assert share_of_size_px(np.stack([frame, frame, alone]), share=0.05) == pytest.approx(5.0)
    with pytest.raises(DataError, match="two labelled keypoints"):
        share_of_size_px(alone[None])
