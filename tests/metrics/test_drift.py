"""Videos like the reference are not warned of; those worse in one of two ways are."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_pose.metrics.drift import MOST_OUTSIDE, MOST_SHIFT, Drift, drift_of

NAMES = ["nose", "tail", "paw"]


def sample(
    rng: np.random.Generator, frames: int, *, session: float = 0.0, alike: int = 10
) -> np.ndarray:
    """Return errors of three keypoints; of ``alike`` neighbouring frames half of them is equal."""
    noise = rng.gamma(4.0, 0.5, size=(frames, 3))
    slow = np.repeat(rng.gamma(4.0, 0.5, size=(frames // alike + 1, 3)), alike, axis=0)[:frames]
    return (noise + slow + session) * np.array([1.0, 3.0, 0.5])


def drift(values: np.ndarray, reference: np.ndarray, **more: bool) -> Drift:
    """Return the drift, which there must be."""
    found = drift_of(values, reference, name="error", keypoint_names=NAMES, **more)
    assert found is not None
    return found


def test_a_video_of_the_same_kind_is_seldom_warned_of() -> None:
    rng = np.random.default_rng(0)
    warned = [drift(sample(rng, 300), sample(rng, 60, alike=1)).warns for _ in range(40)]
    assert sum(warned) <= 2


def test_a_small_reference_warns_only_of_what_it_can_tell() -> None:
    rng = np.random.default_rng(0)
    found = [drift(sample(rng, 300), sample(rng, 10, alike=1)) for _ in range(40)]
    large = [one for one in found if one.shift >= MOST_SHIFT or one.outside >= MOST_OUTSIDE]
    assert sum(one.warns for one in found) < len(large)


def test_a_video_that_is_worse_throughout_is_warned_of() -> None:
    rng = np.random.default_rng(1)
    found = drift(sample(rng, 200, session=1.0), sample(rng, 60))
    assert found.warns
    assert found.shift > 0.3
    assert found.video_median > found.reference_median


def test_a_video_in_which_one_keypoint_fails_is_warned_of_and_it_is_named() -> None:
    rng = np.random.default_rng(2)
    video = sample(rng, 200)
    video[:, 2] *= 5
    found = drift(video, sample(rng, 60))
    assert found.warns
    assert found.outside > 0.2
    assert found.worst_keypoint == "paw"


def test_a_confidence_drifts_downwards_only() -> None:
    rng = np.random.default_rng(3)
    usual = rng.beta(20, 3, size=(60, 3))
    assert drift(usual * 0.8, usual, low_is_bad=True).warns
    surer = drift(np.minimum(usual * 1.1, 1), usual, low_is_bad=True)
    assert not surer.warns
    assert surer.shift < 0


def test_of_jumps_only_the_share_counts() -> None:
    rng = np.random.default_rng(4)
    reference = sample(rng, 300)
    livelier = reference * 1.16
    assert drift(livelier, reference).shift >= 0.3
    assert not drift(livelier, reference, judges_shift=False).warns


def test_what_is_not_known_is_left_out() -> None:
    rng = np.random.default_rng(5)
    video, reference = sample(rng, 50), sample(rng, 50)
    video[:, 0] = np.nan
    video[::2, 1] = np.nan
    assert np.isfinite(drift(video, reference).outside)
    unknown = np.full((50, 3), np.nan)
    assert drift_of(unknown, reference, name="error", keypoint_names=NAMES) is None
    assert drift_of(video[:7], reference, name="error", keypoint_names=NAMES) is None


def test_the_share_expected_outside_is_a_twentieth() -> None:
    rng = np.random.default_rng(6)
    found = drift(rng.normal(size=(5000, 3)), rng.normal(size=(5000, 3)))
    assert found.outside == pytest.approx(0.05, abs=0.01)
    assert found.shift == pytest.approx(0.0, abs=0.05)
