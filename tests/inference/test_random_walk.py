"""The smoother says what the textbook says."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_pose.inference.random_walk import Walk, likeliest_step_variance


def a_walk(count: int = 40, *, step: float = 1.0, missing: tuple[int, ...] = ()) -> Walk:
    rng = np.random.default_rng(0)
    noise = rng.uniform(0.2, 9.0, count)
    truth = np.cumsum(rng.normal(0, step, count))
    values = truth + rng.normal(0, np.sqrt(noise))
    values[list(missing)] = np.nan
    return Walk(values=values, noise=noise, start_variance=25.0)


def covariance(walk: Walk, step_variance: float) -> np.ndarray:
    """Return how the places of all frames vary together, before anything is seen."""
    steps = np.arange(len(walk.values))
    return walk.start_variance + step_variance * np.minimum.outer(steps, steps)


@pytest.mark.parametrize("missing", [(), (0, 1, 17, 18, 19, 39), tuple(range(1, 40))])
@pytest.mark.parametrize("step_variance", [1e-3, 0.7, 500.0])
def test_mean_variance_and_likelihood_are_those_of_the_normal_distribution(
    missing: tuple[int, ...], step_variance: float
) -> None:
    walk = a_walk(missing=missing)
    prior = covariance(walk, step_variance)
    seen = np.isfinite(walk.values)
    observed = prior[np.ix_(seen, seen)] + np.diag(walk.noise[seen])
    gain = np.linalg.solve(observed, prior[seen]).T
    mean, variance = walk.smoothed(step_variance)
    np.testing.assert_allclose(mean, gain @ walk.values[seen], atol=1e-7)
    np.testing.assert_allclose(variance, np.diag(prior - gain @ prior[seen]), rtol=1e-6)
    misfit = walk.values[seen] @ np.linalg.solve(observed, walk.values[seen])
    surprise = (misfit + np.linalg.slogdet(2 * np.pi * observed)[1]) / 2
    assert walk.surprise(step_variance) == pytest.approx(surprise, rel=1e-9)


def test_a_single_frame_is_drawn_towards_the_start() -> None:
    walk = Walk(values=np.array([3.0]), noise=np.array([1.0]), start_variance=1.0)
    mean, variance = walk.smoothed(1.0)
    assert (mean, variance) == (pytest.approx([1.5]), pytest.approx([0.5]))


@pytest.mark.parametrize("step", [0.3, 3.0])
def test_the_step_variance_is_found(step: float) -> None:
    walks = [a_walk(4000, step=step), a_walk(4000, step=step, missing=tuple(range(50, 90)))]
    assert likeliest_step_variance(walks) == pytest.approx(step**2, rel=0.15)


def test_nothing_nearby_is_likelier_than_what_was_found() -> None:
    walks = [a_walk(300)]
    best = likeliest_step_variance(walks)
    surprises = [walks[0].surprise(best * factor) for factor in (0.5, 0.9, 1.0, 1.1, 2.0)]
    assert int(np.argmin(surprises)) == 2
