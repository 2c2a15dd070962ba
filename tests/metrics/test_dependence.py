"""Variances of means over sessions and over blocks of frames, and their degrees of freedom."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lightning_pose.metrics.dependence import (
    MovingBlocks,
    Sessions,
    holm,
    pieces_of,
    t_interval,
)

SIZES = (3, 9, 1, 20, 6)


def unequal_sessions() -> Sessions:
    return Sessions(number=np.repeat(np.arange(len(SIZES)), SIZES))


def test_degrees_are_those_of_the_matrices() -> None:
    pieces = unequal_sessions()
    n = len(pieces.number)
    member = np.eye(len(SIZES))[pieces.number]  # frames x sessions
    centred = np.eye(n) - 1 / n
    adjusted = (centred @ member) / np.sqrt(1 - member.sum(axis=0) / n)
    quadratic = adjusted.T @ adjusted
    expected = np.trace(quadratic) ** 2 / (quadratic**2).sum()
    assert pieces.degrees == pytest.approx(expected)


def test_the_variance_is_right_on_average_for_independent_values() -> None:
    rng = np.random.default_rng(0)
    pieces = unequal_sessions()
    found = [pieces.variance(rng.normal(size=len(pieces.number))) for _ in range(4000)]
    assert np.mean(found) == pytest.approx(1 / len(pieces.number), rel=0.06)


def test_equal_sessions_are_tested_by_their_means() -> None:
    values = np.random.default_rng(1).normal(0.3, 1.0, size=24)
    pieces = Sessions(number=np.repeat(np.arange(6), 4))
    expected = stats.ttest_1samp(values.reshape(6, 4).mean(axis=1), 0.0)
    low, high, p_value = t_interval(values.mean(), pieces.variance(values), pieces.degrees)
    interval = expected.confidence_interval()
    assert (low, high) == pytest.approx((interval.low, interval.high))
    assert p_value == pytest.approx(expected.pvalue)


def test_two_sessions_have_one_degree_whatever_their_size() -> None:
    for sizes in ((5, 5), (1, 40), (30, 4)):
        assert Sessions(number=np.repeat([0, 1], sizes)).degrees == pytest.approx(1.0)


def test_blocks_are_of_neighbours_in_time() -> None:
    rng = np.random.default_rng(2)
    order = rng.permutation(30)
    values = rng.normal(size=30)
    pieces = MovingBlocks(order=order)
    b, in_time = pieces.length, values[order]
    means = [in_time[start : start + b].mean() for start in range(30 - b + 1)]
    expected = b * np.sum((means - values.mean()) ** 2) / (len(means) * (30 - b))
    assert pieces.variance(values) == pytest.approx(expected)


def test_few_frames_of_one_session_are_single_pieces() -> None:
    values = np.array([1.0, 4.0, 2.0])
    pieces = pieces_of(["s/1.png", "s/2.png", "s/3.png"])
    assert isinstance(pieces, MovingBlocks)
    assert (pieces.length, pieces.degrees) == (1, 2.0)
    assert pieces.variance(values) == pytest.approx(values.var(ddof=1) / 3)


def test_frames_are_ordered_by_number_not_by_text() -> None:
    pieces = pieces_of(["s/img100.png", "s/img20.png", "s/img3.png"])
    assert isinstance(pieces, MovingBlocks)
    assert pieces.order.tolist() == [2, 1, 0]


def test_adjusted_p_values_are_no_smaller_and_stay_in_order() -> None:
    p_values = np.random.default_rng(3).uniform(0, 0.2, 20).tolist()
    adjusted = holm(p_values)
    assert all(new >= old for new, old in zip(adjusted, p_values, strict=True))
    assert np.argsort(adjusted, kind="stable").tolist()[0] == int(np.argmin(p_values))
    assert min(adjusted) == pytest.approx(20 * min(p_values))
    assert max(adjusted) <= 1
