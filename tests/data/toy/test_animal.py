"""The toy animal walks: feet stay where they stand, bones keep their length."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_pose.data.toy.animal import Animal, ground_height
from lightning_pose.data.toy.motion import LEGS, Gait, Wander

TIMES = np.arange(0, 200, 0.25)


@pytest.fixture
def gait() -> Gait:
    return Gait.draw(np.random.default_rng(1))


@pytest.fixture
def animal() -> Animal:
    return Animal.draw(np.random.default_rng(1), size=1.0)


def test_a_wander_stays_within_its_reach_and_uses_it() -> None:
    signal = Wander.draw(np.random.default_rng(0), reach=5.0, period=40.0)(np.arange(4000.0))
    assert np.abs(signal).max() <= 5.0
    assert np.abs(signal).max() > 4.0
    assert abs(signal.mean()) < 0.3


def test_the_animal_never_walks_backwards(gait: Gait) -> None:
    assert (np.diff(gait.strides(TIMES)) > 0).all()


def test_speed_varies_at_least_twofold(gait: Gait) -> None:
    speed = np.diff(gait.strides(np.arange(0, 400, 1.0)))
    assert np.percentile(speed, 95) > 2 * np.percentile(speed, 5)


@pytest.mark.parametrize("leg", LEGS)
def test_a_standing_paw_moves_with_the_wheel(gait: Gait, leg: str) -> None:
    forward, up = gait.paw(leg, TIMES)
    on_wheel = forward + gait.travel(TIMES)
    stands = (up[1:] == 0) & (up[:-1] == 0) & (np.abs(np.diff(forward)) < 5)
    assert stands.mean() > 0.5
    np.testing.assert_allclose(np.diff(on_wheel)[stands], 0, atol=1e-9)


def test_two_or_more_paws_always_stand(gait: Gait) -> None:
    lifted = np.stack([gait.paw(leg, TIMES)[1] > 0.01 for leg in LEGS])
    assert lifted.sum(axis=0).max() <= 2


def test_upper_leg_bones_keep_their_length(animal: Animal) -> None:
    pose = animal.pose(TIMES)
    for leg, length in (("front_right", 14.0), ("hind_left", 19.0)):
        hip, knee = pose.chains[leg].points[:, 0], pose.chains[leg].points[:, 1]
        bones = np.linalg.norm(knee - hip, axis=-1)
        assert np.percentile(np.abs(bones - length), 90) < 0.01


def test_paws_do_not_sink_into_the_wheel(animal: Animal) -> None:
    for leg in LEGS:
        paws = animal.pose(TIMES).chains[leg].points[:, -1]
        assert (paws[:, 2] > ground_height(paws[:, 0])).all()


def test_size_scales_the_body_length() -> None:
    lengths = []
    for size in (1.0, 1.2):
        pose = Animal.draw(np.random.default_rng(1), size=size).pose(np.array([4.0]))
        nose_to_tail = pose.keypoints[0, 0] - pose.keypoints[0, -2]
        lengths.append(float(np.linalg.norm(nose_to_tail)))
    assert lengths[1] / lengths[0] == pytest.approx(1.2, rel=0.01)


def test_one_instant_is_the_same_as_that_instant_of_many(animal: Animal) -> None:
    together, alone = animal.pose(TIMES[:9]), animal.pose(TIMES[5:6])
    np.testing.assert_allclose(together.at(5).keypoints, alone.at(0).keypoints, atol=1e-9)
