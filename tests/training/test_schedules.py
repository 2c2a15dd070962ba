"""Learning rates and lengths of training as functions of the epoch."""

from __future__ import annotations

import math

import pytest
import torch
from tiny import settings

from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.registry import OPTIMIZERS, SCHEDULERS
from lightning_pose.training.length import Length, batches_used, length_of
from lightning_pose.training.optimization import backbone_share, optimizer_for
from lightning_pose.training.optimizers.schedulers import (
    CosineParams,
    MultiStepParams,
    cosine,
    multistep,
)


def length(**changes: int) -> Length:
    values = {
        "epochs": 300,
        "steps_per_epoch": 5,
        "max_steps": 1500,
        "min_epochs": 300,
        "unfreezing_epoch": 20,
    }
    return Length(**(values | changes))


def test_the_rate_halves_at_each_milestone() -> None:
    factor = multistep(MultiStepParams(milestones=[2, 4]), length())
    assert [factor(epoch) for epoch in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_milestones_left_out_keep_their_share_of_the_training() -> None:
    factor = multistep(MultiStepParams(), length(epochs=60))
    falls = [epoch for epoch in range(1, 60) if factor(epoch) < factor(epoch - 1)]
    assert falls == [30, 40, 50]


def test_milestones_in_steps_take_effect_with_the_next_epoch() -> None:
    factor = multistep(MultiStepParams(milestone_steps=[10, 21]), length())
    falls = [epoch for epoch in range(1, 9) if factor(epoch) < factor(epoch - 1)]
    assert falls == [2, 5]


def test_the_cosine_goes_from_one_to_its_end() -> None:
    factor = cosine(CosineParams(final_factor=0.1), length(epochs=10))
    assert (factor(0), factor(5), factor(10)) == (1.0, pytest.approx(0.55), pytest.approx(0.1))


def test_the_cosine_of_torch_is_the_same() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    factor = cosine(CosineParams(), length(epochs=10))
    for epoch in range(10):
        assert factor(epoch) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


def test_the_backbone_starts_at_a_tenth_and_rises_until_equal() -> None:
    shares = [backbone_share(epoch, length()) for epoch in (0, 19, 20, 21, 25, 26, 299)]
    assert shares == pytest.approx([0, 0, 0.1, 0.15, 0.1 * 1.5**5, 1.0, 1.0])


def test_steps_are_turned_into_epochs_rounded_up() -> None:
    config = settings(max_epochs=None, max_steps=11, unfreezing_epoch=None, unfreezing_step=5)
    found = length_of(config, num_batches=4)
    assert (found.epochs, found.unfreezing_epoch, found.max_steps) == (3, 2, 11)


def test_accumulated_batches_make_fewer_steps() -> None:
    found = length_of(settings(accumulate_grad_batches=3), num_batches=7)
    assert found.steps_per_epoch == math.ceil(7 / 3)


@pytest.mark.parametrize(("limit", "used"), [(None, 8), (3, 3), (20, 8), (0.5, 4), (1.0, 8)])
def test_batches_are_limited_by_number_or_share(limit: float | None, used: int) -> None:
    assert batches_used(8, settings(limit_train_batches=limit)) == used


def test_a_limit_that_leaves_no_batch_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"make 8 batches, and training.limit_train_batches is 0.1"
    ):
        batches_used(8, settings(limit_train_batches=0.1))


def test_unknown_names_are_refused_before_training() -> None:
    with pytest.raises(ConfigError, match="no optimizer named 'Adan'"):
        optimizer_for(settings(optimizer="Adan"))
    with pytest.raises(ConfigError, match="no learning-rate scheduler named 'step'"):
        optimizer_for(settings(lr_scheduler="step"))


@pytest.mark.parametrize("registry", [OPTIMIZERS, SCHEDULERS])
def test_every_entry_says_what_it_is_and_has_settings_with_defaults(registry: object) -> None:
    for entry in registry:
        assert entry.summary.endswith(".")
        entry.params()
