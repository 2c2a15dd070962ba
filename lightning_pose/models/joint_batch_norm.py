"""Batch norm over all processes that train one network together.

A batch norm is part of the function that is learnt: with a batch cut in two and each half
normalised by itself, other gradients would come out than with the batch as a whole.
"""

# torch.autograd has few types.
# pyright: reportUnknownMemberType=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.autograd.function import Function
from torch.nn.modules._functions import SyncBatchNorm
from torch.nn.modules.batchnorm import _BatchNorm

from lightning_pose.contracts.errors import ModelError
from lightning_pose.ops.arithmetic import full_precision
from lightning_pose.ops.processes import world_size

_AFTERWARDS = ("drop", "act")  # what timm's batch norm does with the normalised maps


@contextmanager
def joint_batch_norms(network: nn.Module) -> Iterator[None]:
    """Let the batch norms of a network, inside the context, normalise by the whole batch.

    The modules, their weights and names stay; out of training mode they work as ever. Nothing is
    changed for a process that trains alone.

    Raises:
        ModelError: a batch norm has a pass of its own, which nobody can share.
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and world_size() > 1]
    for norm in norms:
        if _normalises(norm) not in (_BatchNorm, BatchNormAct2d):
            raise ModelError(
                f"{type(norm).__name__} normalises in a way of its own, which several processes "
                "cannot share. Set training.num_gpus and training.num_nodes to 1, or take "
                "torch.nn.BatchNorm2d."
            )
    for norm in norms:
        norm.forward = partial(_joint_pass, norm)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _normalises(norm: _BatchNorm) -> type:
    """Return the class whose pass a batch norm makes; our own only make theirs faster."""
    classes = (kind for kind in type(norm).__mro__ if "forward" in vars(kind))
    return next(kind for kind in classes if not kind.__module__.startswith(__package__ or ""))


def _joint_pass(
    norm: _BatchNorm, maps: Float[Tensor, "b channels *hw"]
) -> Float[Tensor, "b channels *hw"]:
    """Return what the batch norm makes of this process's share of the batch."""
    if not norm.training:
        return type(norm).forward(norm, maps)
    momentum = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if momentum is None:
            momentum = 1.0 / float(norm.num_batches_tracked)
    normalise = _NormaliseOnGpu.apply if maps.is_cuda else _normalise
    maps = normalise(
        maps,
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        momentum or 0.0,
        dist.group.WORLD,
        world_size(),
    )
    for name in _AFTERWARDS:
        maps = getattr(norm, name)(maps) if hasattr(norm, name) else maps
    return maps


class _NormaliseOnGpu(SyncBatchNorm):
    """Torch's own, less the look at the counts, for which the host would wait in every layer."""

    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        eps: float,
        momentum: float,
        group: Any,
        size: int,
    ) -> Tensor:
        if not maps.is_contiguous(memory_format=torch.channels_last):
            maps = maps.contiguous()
        mean, spread = torch.batch_norm_stats(maps, eps)
        number = mean.new_full((1,), maps.numel() // maps.shape[1])
        own = torch.cat([mean, spread, number])
        every = own.new_empty(size * len(own))
        dist.all_gather_into_tensor(every, own, group)
        means, spreads, numbers = every.view(size, -1).split([len(mean), len(mean), 1], dim=1)
        mean, spread = torch.batch_norm_gather_stats_with_counts(
            maps, means, spreads, running_mean, running_var, momentum, eps, numbers.reshape(-1)
        )
        ctx.save_for_backward(maps, weight, mean, spread, numbers.to(torch.int32))
        ctx.process_group = group
        return torch.batch_norm_elemt(maps, weight, bias, mean, spread, eps)


def _normalise(
    maps: Float[Tensor, "b channels *hw"],
    weight: Float[Tensor, " channels"] | None,
    bias: Float[Tensor, " channels"] | None,
    running_mean: Float[Tensor, " channels"] | None,
    running_var: Float[Tensor, " channels"] | None,
    eps: float,
    momentum: float,
    *_: Any,
) -> Float[Tensor, "b channels *hw"]:
    """Return the maps normalised, in at least 32 bits, with plain operations."""
    axes = [axis for axis in range(maps.dim()) if axis != 1]
    shape = [1, -1] + [1] * (maps.dim() - 2)
    full = full_precision(maps)
    number = full.new_full((1,), maps.numel() // maps.shape[1])
    sums: Tensor = _Sum.apply(torch.cat([full.sum(axes), number]))
    total = sums[-1].detach()
    mean = sums[:-1] / total
    away = full - mean.view(shape)
    variance: Tensor = _Sum.apply(away.square().sum(axes)) / total
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(variance * total / (total - 1), momentum)
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    normalised = away * scale.view(shape)
    normalised = normalised if bias is None else normalised + bias.view(shape)
    return normalised.to(maps.dtype)


class _Sum(Function):
    """Sum over the processes: what each makes of it comes back to all, so backward is one too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _summed(gradient)


def _summed(values: Tensor) -> Tensor:
    total = values.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total
