"""Batch norms that do what comes after them in the same pass, where a GPU has the kernels for it.

Classes of modules are exchanged for subclasses of theirs, so parameters, names and results stay
what they were; off the GPU, outside training, and for anything unusual the parent's ``forward``
runs.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.norm_act import BatchNormAct2d
from timm.models.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

from lightning_pose.ops.kernels import kernel_module
from lightning_pose.ops.processes import world_size

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)  # what is summed up in 32 bits
_LARGEST = 2**31  # numbers in a map that the kernels can count


def fuse_batch_norms(net: nn.Module) -> None:
    """Let the batch norms of a network, and the blocks of a ResNet, run fused where they can."""
    for module in net.modules():
        if type(module) is Bottleneck and _is_plain(module, 3):
            _become(module, _FusedBottleneck)
        elif type(module) is BasicBlock and _is_plain(module, 2):
            _become(module, _FusedBasicBlock)
        elif type(module) is nn.BatchNorm2d:
            _become(module, _FusedBatchNorm)
        elif type(module) is BatchNormAct2d and isinstance(module.drop, nn.Identity):
            _become(module, _FusedBatchNormAct)


def _become(module: Any, kind: type[nn.Module]) -> None:
    module.__class__ = kind


def fused(
    norm: nn.Module, x: Tensor, activation: nn.Module, added: Tensor | None = None
) -> Tensor | None:
    """Return activation(norm(x) + added), or None if the kernels cannot do that here."""
    if not (x.is_cuda and isinstance(norm, nn.BatchNorm2d) and norm.training and norm.affine):
        return None
    if world_size() > 1 or x.dtype not in _DTYPES:  # statistics are those of all processes then
        return None
    if norm.momentum is None or norm.running_mean is None or x.numel() >= _LARGEST:
        return None
    kernels, number = kernel_module("triton_batch_norm", x.device), _number(activation)
    flat = [maps for maps in (x, added) if maps is not None and not _is_channels_last(maps)]
    if kernels is None or number is None or flat or x.numel() <= x.shape[1]:
        return None
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    return kernels.BatchNormActivation.apply(
        x, norm.weight, norm.bias, added, norm.running_mean, norm.running_var,
        norm.momentum, norm.eps, number,
    )  # fmt: skip


def _is_channels_last(maps: Tensor) -> bool:
    return maps.is_contiguous(memory_format=torch.channels_last)


def _number(activation: nn.Module) -> int | None:
    """Return the number by which the kernels know an activation."""
    return {nn.Identity: 0, nn.ReLU: 1, nn.ReLU6: 2}.get(type(activation))


def _is_plain(block: Any, norms: int) -> bool:
    """Tell whether a block of a ResNet has none of timm's extras."""
    extras = [block.drop_block, block.aa]
    acts = [getattr(block, f"act{number + 1}") for number in range(norms)]
    return (
        block.se is None
        and block.drop_path is None
        and all(isinstance(extra, nn.Identity) for extra in extras)
        and all(type(act) is nn.ReLU for act in acts)
    )


class _FusedBatchNorm(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        y = fused(self, x, _NOTHING)
        return super().forward(x) if y is None else y


class _FusedBatchNormAct(BatchNormAct2d):
    def forward(self, x: Tensor) -> Tensor:
        y = fused(self, x, self.get_submodule("act"))
        return super().forward(x) if y is None else y


def _norm_act(norm: nn.Module, x: Tensor, act: nn.Module, added: Tensor | None = None) -> Tensor:
    y = fused(norm, x, act, added)
    if y is not None:
        return y
    x = norm(x)
    return act(x if added is None else x + added)


class _FusedBottleneck(Bottleneck):
    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = _norm_act(self.bn1, self.conv1(x), self.act1)
        x = _norm_act(self.bn2, self.conv2(x), self.act2)
        return _norm_act(self.bn3, self.conv3(x), self.act3, shortcut)


class _FusedBasicBlock(BasicBlock):
    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = _norm_act(self.bn1, self.conv1(x), self.act1)
        return _norm_act(self.bn2, self.conv2(x), self.act2, shortcut)


_NOTHING = nn.Identity()
