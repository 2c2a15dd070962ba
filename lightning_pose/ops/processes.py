"""Sums, means and decisions of the processes that train one network together.

A process that trains alone gets back what it gave. Otherwise every function here is a meeting:
all processes must call it, in the same order, or they wait for each other.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

Value = TypeVar("Value")


@dataclass
class _Here:
    """This process: which one it is, of how many, and whether losses count together now."""

    rank: int = 0
    size: int = 1
    counts_together: bool = False


_here = _Here()


def world_size() -> int:
    """Return how many processes train the network, this one included."""
    return _here.size


def process_rank() -> int:
    """Return which of the processes this is; number 0 writes files and talks."""
    return _here.rank


@contextmanager
def one_of_several(*, rank: int, size: int) -> Generator[None]:
    """Make this process, inside the context, one of those in torch's default process group."""
    before = _here.rank, _here.size
    _here.rank, _here.size = rank, size
    try:
        yield
    finally:
        _here.rank, _here.size = before


@contextmanager
def counting_together() -> Generator[None]:
    """Let losses inside the context divide by what is counted in all processes.

    Only for training steps, which all processes do at once.
    """
    _here.counts_together = True
    try:
        yield
    finally:
        _here.counts_together = False


def number_kept(keep: Bool[Tensor, "*b"]) -> Shaped[Tensor, ""]:
    """Return by what a loss divides the sum of its kept values to get their mean; at least 1.

    In a training step of several processes it is the mean number a process: then the mean of
    the processes' losses, and so of their gradients, is that of all values together, however
    unevenly these are spread.

    Example:
        >>> number_kept(torch.tensor([True, False, True])), number_kept(torch.tensor([False]))
        (tensor(2), tensor(1))
    """
    if not _here.counts_together or _here.size == 1:
        return keep.sum().clamp(min=1)
    total = keep.sum().float()
    dist.all_reduce(total)
    return total.clamp(min=1) / _here.size


def mean_over_processes(values: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Return the mean of each number over the processes; no gradient."""
    total = values.detach().clone()
    if _here.size > 1:
        dist.all_reduce(total)
        total /= _here.size
    return total


def average_in_place(tensors: Sequence[Tensor]) -> None:
    """Replace every tensor, gradients for instance, by its mean over the processes."""
    if _here.size == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    dist.all_reduce(flat)
    _spread(flat / _here.size, tensors)


def take_from_first(tensors: Sequence[Tensor]) -> None:
    """Replace every tensor, of one dtype, by that of process 0."""
    if _here.size == 1 or not tensors:
        return
    flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
    dist.broadcast(flat, src=0)
    with torch.no_grad():
        _spread(flat, tensors)


def any_process(flag: bool) -> bool:
    """Tell whether the flag is set in any of the processes."""
    return flag if _here.size == 1 else any(gathered(flag))


def as_first_process(flag: bool) -> bool:
    """Return the flag of process 0, for what only it can decide."""
    return flag if _here.size == 1 else gathered(flag)[0]


def gathered(value: Value) -> list[Value]:
    """Return the values of all processes, in order of their numbers; they travel as pickles."""
    if _here.size == 1:
        return [value]
    values: list[Value | None] = [None] * _here.size
    dist.all_gather_object(values, value)
    return values  # pyright: ignore[reportReturnType]


def sums_by_name(sums: Mapping[str, Float[Tensor, " n"]]) -> dict[str, Float[Tensor, " n"]]:
    """Return the sum over the processes of the tensors of each name; some may lack a name."""
    if _here.size == 1:
        return dict(sums)
    place = next(iter(sums.values())).device if sums else torch.device("cpu")
    total: dict[str, Tensor] = {}
    for theirs in gathered({name: value.cpu() for name, value in sums.items()}):
        for name, value in theirs.items():
            total[name] = total[name] + value if name in total else value
    return {name: value.to(place) for name, value in total.items()}


def _spread(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    start = 0
    for tensor in tensors:
        tensor.copy_(flat[start : start + tensor.numel()].view(tensor.shape))
        start += tensor.numel()
