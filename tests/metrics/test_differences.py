"""The difference of two trained models, and of two configurations."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.metrics.differences import configuration_difference, paired_difference

REPEATS = 200


def noisy(seed: int, *, frames: int, keypoints: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, 2.0, size=(frames, keypoints))


def paths(number: np.ndarray) -> list[str]:
    return [f"session{session}/{frame}.png" for frame, session in enumerate(number)]


def test_frames_that_are_alike_do_not_count_as_many() -> None:
    offsets = np.repeat(np.random.default_rng(0).normal(1.0, 1.0, size=6), 20)[:, None]
    offsets = offsets + np.random.default_rng(1).normal(0, 0.1, size=(120, 1))
    first = np.full((120, 2), 5.0)
    by_session = paired_difference(first, first + offsets, paths(np.repeat(np.arange(6), 20)))
    by_frame = paired_difference(first, first + offsets, paths(np.arange(120)))
    assert (by_session.sessions, by_session.block) == (6, 0)
    width = by_session.high_px - by_session.low_px
    assert width > 3 * (by_frame.high_px - by_frame.low_px)


def test_with_one_session_neighbours_that_are_alike_widen_the_interval() -> None:
    slow = np.sin(np.arange(60) / 8)[:, None] + 1
    first = np.full((60, 2), 5.0)
    in_order = paired_difference(first, first + slow, [f"s/{row}.png" for row in range(60)])
    shuffled = np.random.default_rng(0).permutation(60)
    mixed = paired_difference(first, first + slow, [f"s/{row}.png" for row in shuffled])
    assert (in_order.sessions, in_order.block) == (1, 12)
    assert in_order.high_px - in_order.low_px > 2 * (mixed.high_px - mixed.low_px)
    assert "of that session alone" in in_order.pieces()


def drawn(rng: np.random.Generator, sessions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log-normal errors of two models in sessions of unequal size, and their sessions."""
    sizes = np.clip(np.round(15 * np.exp(rng.normal(0, 0.7, sessions))), 2, 200).astype(int)
    number = np.repeat(np.arange(sessions), sizes)
    both = 1 + rng.normal(0, 0.4, sessions)[number] + rng.normal(0, 0.5, len(number))
    shift = -0.3 + rng.normal(0, 0.2, sessions)[number]
    first, second = rng.normal(0, 0.5, (2, len(number))) + both
    return np.exp(first)[:, None], np.exp(second + shift)[:, None], number


@pytest.mark.parametrize(("sessions", "low", "high"), [(3, 0.90, 1.0), (10, 0.92, 0.98)])
def test_the_interval_holds_the_truth_as_often_as_it_says(
    sessions: int, low: float, high: float
) -> None:
    rng = np.random.default_rng(4)
    mean_log = 1 + (0.4**2 + 0.5**2 + 0.5**2) / 2
    truth = np.exp(mean_log) * (np.exp(-0.3 + 0.2**2 / 2) - 1)
    inside = 0
    for _ in range(REPEATS):
        first, second, number = drawn(rng, sessions)
        found = paired_difference(first, second, paths(number))
        inside += found.low_px < truth < found.high_px
    assert low <= inside / REPEATS <= high


def runs_of_equal_configurations(
    rng: np.random.Generator, seeds: int
) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Return the errors of runs whose seeds make them better or worse, not their side."""
    number = np.repeat(np.arange(10), rng.integers(4, 25, 10))
    both = rng.normal(0, 0.4, 10)[number] + rng.normal(0, 0.5, len(number))

    def side() -> list[np.ndarray]:
        by_session = rng.normal(0, 0.1, 10)[number]
        return [
            np.exp(both + by_session + rng.normal(0, 0.12) + rng.normal(0, 0.4, len(number)))[
                :, None
            ]
            for _ in range(seeds)
        ]

    return side(), side(), paths(number)


def test_equal_configurations_are_seldom_told_apart_though_their_runs_differ() -> None:
    rng = np.random.default_rng(5)
    by_seeds = by_models = 0
    for _ in range(REPEATS):
        first, second, images = runs_of_equal_configurations(rng, 3)
        by_seeds += configuration_difference(first, second, images).shown
        by_models += paired_difference(first[0], second[0], images).shown
    assert 0.02 <= by_seeds / REPEATS <= 0.085
    assert by_models / REPEATS > 0.2  # two trained models do differ, which is another claim


def test_a_configuration_that_is_better_is_found() -> None:
    rng = np.random.default_rng(6)
    first, second, images = runs_of_equal_configurations(rng, 4)
    found = configuration_difference(first, [0.4 * run for run in second], images)
    assert found.high_px < 0
    assert (found.of_configurations, found.first_runs, found.second_runs) == (True, 4, 4)
    assert "4 and 4 seeds, 10 sessions" in found.pieces()


def test_fewer_than_three_seeds_say_nothing_of_a_configuration() -> None:
    errors = noisy(0, frames=9)
    images = paths(np.repeat(np.arange(3), 3))
    with pytest.raises(DataError, match=r"3 runs a side or more.*got 2 and 3"):
        configuration_difference([errors] * 2, [errors] * 3, images)


def test_points_that_are_not_labelled_count_for_neither() -> None:
    first = np.array([[1.0, np.nan], [2.0, 4.0], [np.nan, np.nan]])
    second = first + np.array([[1.0, 9.0], [1.0, 3.0], [9.0, 9.0]])
    found = paired_difference(first, second, ["a", "b", "c"])
    assert (found.frames, found.difference_px) == (2, 1.5)


def test_equal_models_do_not_differ() -> None:
    errors = noisy(0, frames=5)
    found = paired_difference(errors, errors, list("abcde"))
    assert (found.low_px, found.high_px, found.p_value) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("images", "claims"),
    [
        (["a/1", "a/2", "b/1", "b/2"], False),
        (["a/1", "a/2"], False),  # of one session, frames stand in
        (["a/1", "a/2", "a/3", "a/4"], False),  # in two blocks
        (["a/1", "b/1", "c/1", "c/2"], True),
    ],
)
def test_fewer_than_three_pieces_that_agree_show_nothing(images: list[str], claims: bool) -> None:
    """Two of a kind say nothing of how much a third would differ; rounding is no spread either."""
    first = noisy(0, frames=len(images))
    found = paired_difference(first, first + 0.1, images)
    assert found.shown == claims
    assert (found.p_value < 1) == claims
    assert np.isfinite(found.high_px) == claims
    wider = paired_difference(first, first + 0.1 * np.arange(len(images))[:, None], images)
    assert np.isfinite(wider.high_px)


def test_too_few_frames_and_missing_places_are_refused() -> None:
    with pytest.raises(DataError, match="two labelled frames or more, got 1"):
        paired_difference(np.ones((1, 1)), np.ones((1, 1)), ["a"])
    with pytest.raises(DataError, match="leaves out"):
        paired_difference(np.ones((2, 1)), np.array([[1.0], [np.nan]]), ["a", "b"])
