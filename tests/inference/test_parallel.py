"""Batches are predicted by several threads, and come back in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from lightning_pose.contracts.errors import VideoError
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.parallel import run_batches

CPU = Compute.choose(device="cpu", precision="bf16")


@pytest.fixture(params=[1, 2, 4])
def cores(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_batches(cores: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number

    assert list(run_batches(work, range(20), compute=CPU)) == list(range(20))


def test_every_batch_is_computed_without_gradient_in_the_arithmetic_set(cores: int) -> None:
    weight = torch.ones(8, 8, requires_grad=True)

    def work(number: int) -> torch.Tensor:
        return torch.ones(2, 8) @ weight

    results = list(run_batches(work, range(3), compute=CPU))
    assert all(not result.requires_grad for result in results)
    assert {result.dtype for result in results} == {torch.bfloat16}
    assert torch.is_grad_enabled()
    assert not torch.is_autocast_enabled("cpu")


def test_the_number_of_threads_is_left_as_it_was(cores: int) -> None:
    list(run_batches(lambda number: number, range(5), compute=CPU))
    assert torch.get_num_threads() == cores


def test_only_a_few_batches_are_in_hand(cores: int) -> None:
    asked: list[int] = []

    def batches() -> Iterator[int]:
        for number in range(100):
            asked.append(number)
            yield number

    results = run_batches(lambda number: number, batches(), compute=CPU)
    next(results)
    assert len(asked) <= cores + 2
    results.close()


def test_an_error_in_a_thread_is_raised_and_the_threads_end(cores: int) -> None:
    def work(number: int) -> int:
        if number == 3:
            raise VideoError("The frame is gone.")
        return number

    before = threading.active_count()
    with pytest.raises(VideoError, match="The frame is gone"):
        list(run_batches(work, range(20), compute=CPU))
    assert threading.active_count() == before
