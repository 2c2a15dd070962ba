"""What processes tell each other comes out alike in all of them, and alone as it went in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from lightning_pose.ops.processes import (
    any_process,
    as_first_process,
    average_in_place,
    counting_together,
    gathered,
    mean_over_processes,
    number_kept,
    one_of_several,
    process_rank,
    sums_by_name,
    take_from_first,
    world_size,
)

SIZE = 2


def everything(rank: int) -> dict[str, Any]:
    """Call each function on what differs by rank."""
    first, second = torch.full((2,), float(rank)), torch.full((1, 3), 10.0 * rank)
    average_in_place([first, second])
    taken = torch.tensor([rank + 5.0])
    take_from_first([taken])
    kept = torch.tensor([True, rank == 0, rank == 0])
    with counting_together():
        together = number_kept(kept).item()
    sums = sums_by_name({"both": torch.tensor([1.0 + rank]), f"of {rank}": torch.ones(1)})
    return {
        "place": (process_rank(), world_size()),
        "average": (first.tolist(), second.tolist()),
        "first": taken.item(),
        "kept": (number_kept(kept).item(), together),
        "mean": mean_over_processes(torch.tensor([4.0 * rank])).tolist(),
        "any": (any_process(rank == 1), any_process(False)),
        "as first": as_first_process(rank == 0),
        "gathered": gathered(f"from {rank}"),
        "sums": {name: value.tolist() for name, value in sums.items()},
    }


def in_process(rank: int, folder: str) -> None:
    """Meet the other process, call each function, leave what came out."""
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=SIZE,
        timeout=timedelta(seconds=60),
    )
    with one_of_several(rank=rank, size=SIZE):
        torch.save(everything(rank), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what came out in each of two processes."""
    folder = tmp_path_factory.mktemp("meeting")
    run: Callable[..., Any] = mp.start_processes
    run(in_process, args=(str(folder),), nprocs=SIZE, start_method="spawn")
    return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(SIZE)]


SAME = {
    "average": ([0.5, 0.5], [[5.0, 5.0, 5.0]]),
    "first": 5.0,
    "mean": [2.0],
    "any": (True, False),
    "as first": True,
    "gathered": ["from 0", "from 1"],
    "sums": {"both": [3.0], "of 0": [1.0], "of 1": [1.0]},
}


@pytest.mark.parametrize("name", SAME)
def test_all_processes_come_to_the_same(told: list[dict[str, Any]], name: str) -> None:
    assert [values[name] for values in told] == [SAME[name]] * SIZE


def test_each_process_knows_its_place(told: list[dict[str, Any]]) -> None:
    assert [values["place"] for values in told] == [(0, 2), (1, 2)]


def test_what_is_kept_is_counted_together_only_when_asked(told: list[dict[str, Any]]) -> None:
    # 3 and 1 of 3 are kept: together 4, a process 2
    assert [values["kept"] for values in told] == [(3, 2.0), (1, 2.0)]


def test_a_process_alone_gets_back_what_it_gave() -> None:
    values = everything(1)
    assert values["place"] == (0, 1)
    assert values["average"] == ([1.0, 1.0], [[10.0, 10.0, 10.0]])
    assert (values["first"], values["mean"], values["kept"]) == (6.0, [4.0], (1, 1))
    assert (values["any"], values["as first"]) == ((True, False), False)
    assert values["gathered"] == ["from 1"]
    assert values["sums"] == {"both": [2.0], "of 1": [1.0]}
