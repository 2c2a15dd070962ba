"""The order of sums is fixed inside the context and nowhere else."""

from __future__ import annotations

import pytest
import torch

from lightning_pose.ops.arithmetic import fixed_order_of_sums


def test_the_order_is_fixed_inside_and_as_before_outside() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    with fixed_order_of_sums():
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_an_error_inside_leaves_no_trace() -> None:
    with pytest.raises(ZeroDivisionError), fixed_order_of_sums():
        raise ZeroDivisionError
    assert not torch.are_deterministic_algorithms_enabled()


def test_without_the_wish_nothing_changes() -> None:
    with fixed_order_of_sums(wanted=False):
        assert not torch.are_deterministic_algorithms_enabled()
