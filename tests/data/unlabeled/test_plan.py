"""Sequences are drawn evenly, by length, and as a function of seed, epoch, step and rank."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_pose.data.unlabeled.plan import Draw, SequencePlan

WINDOW = 8


def make_plan(lengths: list[int], **options: int) -> SequencePlan:
    settings = {"window": WINDOW, "steps_per_epoch": 10, "seed": 3} | options
    return SequencePlan(lengths, **settings)


def all_draws(plan: SequencePlan, epochs: int) -> list[Draw]:
    steps = range(plan.steps_per_epoch)
    return [plan.draw(epoch=epoch, step=step) for epoch in range(epochs) for step in steps]


def test_sequences_lie_inside_their_session() -> None:
    lengths = [8, 9, 15, 16, 100]
    for draw in all_draws(make_plan(lengths), 100):
        assert 0 <= draw.start <= lengths[draw.session] - WINDOW


def test_a_draw_does_not_hang_on_what_was_drawn_before() -> None:
    in_order = all_draws(make_plan([50, 200]), 30)
    backwards = make_plan([50, 200])
    for number in reversed(range(300)):
        assert backwards.draw(epoch=number // 10, step=number % 10) == in_order[number]


def test_another_seed_draws_others() -> None:
    assert all_draws(make_plan([1000]), 2) != all_draws(make_plan([1000], seed=4), 2)


def test_long_sessions_are_drawn_as_often_as_they_are_long() -> None:
    lengths = [400, 1200, 2400]
    sessions = [draw.session for draw in all_draws(make_plan(lengths), 200)]
    shares = np.bincount(sessions) / len(sessions)
    np.testing.assert_allclose(shares, np.array(lengths) / 4000, atol=0.01)


def test_no_frame_comes_twice_before_nearly_all_have_come_once() -> None:
    seen = np.zeros(1000, dtype=int)
    for draw in all_draws(make_plan([1000], steps_per_epoch=124), 1):  # 124 or 125 windows a lap
        seen[draw.start : draw.start + WINDOW] += 1
    assert seen.max() == 1
    assert seen.sum() == 124 * WINDOW


def test_every_frame_may_begin_a_sequence() -> None:
    starts = {draw.start for draw in all_draws(make_plan([40]), 300)}
    assert starts == set(range(33))


def test_ranks_draw_different_frames() -> None:
    plans = [make_plan([3000], rank=rank, world_size=3) for rank in range(3)]
    frames = [
        {draw.start + frame for draw in all_draws(plan, 8) for frame in range(WINDOW)}
        for plan in plans
    ]
    for first, second in [(0, 1), (0, 2), (1, 2)]:
        assert not frames[first] & frames[second]


def test_hours_of_video_cost_nothing() -> None:
    plan = make_plan([10 * 3600 * 30] * 3)
    assert plan.draw(epoch=299, step=9) == plan.draw(epoch=299, step=9)


def test_a_session_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        make_plan([100, 7])
