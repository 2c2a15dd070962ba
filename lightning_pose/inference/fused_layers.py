"""Layers that do in one pass over the maps of a network what takes torch several, on a GPU.

cuDNN does a convolution, an addition and an activation at once; kernels of ours do what lies
between: the first convolution of a ResNet on squares of pixels instead of pixels, its bias, ReLU
and pooling, maps of two sizes brought together, and the shuffle of pixels in the head. A ResNet-50
in bf16 is more than twice as fast on an H200, without the quarter of a minute that a compiler
takes. Classes of modules are exchanged for subclasses, as in
:mod:`lightning_pose.models.backbones.fused`.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_pose.inference.fused_heads import PhaseUpsampler
from lightning_pose.models.backbones.recipes import PyramidBackbone
from lightning_pose.models.heads.heatmap import Mixer
from lightning_pose.models.heads.mhcrnn import ContextHead
from lightning_pose.ops.kernels import kernel_errors, kernel_module

N = TypeVar("N", bound=nn.Module)

# Of the largest output: sums are in another order, of products of 8 bits (bf16) or of 11 (TF32).
_TOLERANCE, _TOLERANCE_IN_32_BITS = 0.03, 0.01
_logger = logging.getLogger(__name__)


def fuse_layers(network: N, run: Callable[[N], Sequence[Tensor]]) -> N:
    """Let layers of ResNets and heatmap heads do what comes after them, on a GPU, in place.

    What comes out is compared with what came out before; where it differs, or cuDNN or Triton
    refuse, everything stays as it was.

    Args:
        network: in evaluation mode, its batch norms folded; convolutions with weights in bf16 or
            fp16 are fused, and what lies between them whatever their type is. One that is not on a
            GPU stays as it is.
        run: calls a network on an example and returns its outputs, and whatever else is to stay
            the same.
    """
    if all(weights.is_cuda for weights in network.parameters()):
        _exchange_if_same(network, run)
    return network


def _exchange_if_same(network: N, run: Callable[[N], Sequence[Tensor]]) -> None:
    """Do what :func:`fuse_layers` does, wherever the network is."""
    before = {module: (module.__class__, dict(vars(module))) for module in network.modules()}
    expected = run(network)
    if not _exchange(network):
        return
    halves = any(weights.dtype.itemsize < 4 for weights in network.parameters())
    same = partial(_same, tolerance=_TOLERANCE if halves else _TOLERANCE_IN_32_BITS)
    try:
        if all(itertools.starmap(same, zip(expected, run(network), strict=True))):
            return
        reason: object = "what comes out would differ by more than rounding."
    except kernel_errors() as error:
        reason = error
    _logger.info("The network's layers cannot be fused here, so it runs more slowly: %s", reason)
    for module, (kind, parts) in before.items():
        _become(module, kind)
        vars(module).clear()
        vars(module).update(parts)


def _exchange(network: nn.Module) -> bool:
    changed = False
    has_kernels = all(_kernels(weights) is not None for weights in network.parameters())
    for module in network.modules():
        kind = next((fused for fits, fused in _FUSED if fits(module)), None)
        if kind is not None:
            _become(module, kind)
            changed = True
        if PhaseUpsampler.suits(module) and has_kernels:
            _become(module, PhaseUpsampler)
            module.fold()  # pyright: ignore
            changed = True
        if isinstance(module, ResNet) and has_kernels and _has_plain_stem(module):
            _fuse_stem(module)
            changed = True
    return changed


def _become(module: Any, kind: type[nn.Module]) -> None:
    module.__class__ = kind


def _is_folded(block: Any, convolutions: int) -> bool:
    """Tell whether a block is convolutions with biases, ReLUs, an addition, and nothing else."""
    numbers = range(1, convolutions + 1)
    convs = [getattr(block, f"conv{number}") for number in numbers]
    norms = [getattr(block, f"bn{number}") for number in numbers]
    acts = [getattr(block, f"act{number}") for number in numbers]
    return (
        all(_is_plain_conv(conv) for conv in convs)
        and all(isinstance(norm, nn.Identity) for norm in [*norms, block.drop_block, block.aa])
        and all(type(act) is nn.ReLU for act in acts)
        and block.se is None
        and block.drop_path is None
    )


def _is_plain_conv(conv: nn.Module) -> bool:
    return (
        type(conv) is nn.Conv2d
        and conv.bias is not None
        and conv.weight.dtype in (torch.bfloat16, torch.float16)
        and conv.padding_mode == "zeros"
    )


def _has_plain_stem(net: Any) -> bool:
    conv, pool = net.conv1, net.maxpool
    return (
        _is_plain_conv(conv)
        and (conv.in_channels, conv.kernel_size, conv.stride) == (3, (7, 7), (2, 2))
        and conv.padding == (3, 3)
        and isinstance(net.bn1, nn.Identity)
        and type(net.act1) is nn.ReLU
        and type(pool) is nn.MaxPool2d
        and (pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode) == (3, 2, 1, False)
    )


def _is_mixer(module: nn.Module) -> bool:
    parts = list(module.children())
    return (
        type(module) is Mixer
        and len(parts) == 3
        and _is_plain_conv(parts[0])
        and isinstance(parts[1], nn.Identity)
    )


def _is_context_head(module: nn.Module) -> bool:
    return type(module) is ContextHead and all(
        _is_plain_conv(step) for step in (module.forwards, module.backwards)
    )


def _is_shuffle(module: nn.Module) -> bool:
    return type(module) is nn.PixelShuffle and module.upscale_factor == 2


def _kernels(near: Tensor) -> Any | None:
    return kernel_module("feature_kernels", near.device)


def _conv_relu(conv: Any, x: Tensor) -> Tensor:
    return torch.cudnn_convolution_relu(
        x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups
    )


def _conv_add_relu(conv: Any, x: Tensor, block: Any, before: Tensor) -> Tensor:
    """Return relu(conv(x) + shortcut), where the bias of the shortcut comes with that of conv."""
    shortcut, bias = before, conv.bias
    if block.downsample is not None:
        first, *rest = block.downsample
        if _is_plain_conv(first) and all(isinstance(part, nn.Identity) for part in rest):
            around = (first.stride, first.padding, first.dilation, first.groups)
            shortcut = F.conv2d(before, first.weight, None, *around)
            bias = bias + first.bias
        else:
            shortcut = block.downsample(before)
    around = (conv.stride, conv.padding, conv.dilation, conv.groups)
    return torch.cudnn_convolution_add_relu(x, conv.weight, shortcut, 1.0, bias, *around)


class _ConvBottleneck(Bottleneck):
    def forward(self, x: Tensor) -> Tensor:
        y = _conv_relu(self.conv2, _conv_relu(self.conv1, x))
        return _conv_add_relu(self.conv3, y, self, x)


class _ConvBasicBlock(BasicBlock):
    def forward(self, x: Tensor) -> Tensor:
        return _conv_add_relu(self.conv2, _conv_relu(self.conv1, x), self, x)


class _ConvMixer(Mixer):
    def forward(self, x: Tensor) -> Tensor:
        return _conv_relu(self[0], x)


class _ConvContextHead(ContextHead):
    def recur(self, step: nn.Conv2d, frames: Sequence[Tensor]) -> Tensor:
        around: Any = (step.stride, step.padding, step.dilation, step.groups)
        state = frames[0].relu()
        for frame in frames[1:]:
            state = torch.cudnn_convolution_add_relu(
                state, step.weight, frame, 1.0, step.bias, *around
            )
        return state


class _JoiningBackbone(PyramidBackbone):
    def joined(self, maps: list[Tensor]) -> Tensor:
        kernels = _kernels(maps[0])
        if kernels is None or len(maps) != 2:
            return super().joined(maps)
        last = [level.contiguous(memory_format=torch.channels_last) for level in maps]
        return kernels.side_by_side(*last)


class _Shuffle(nn.PixelShuffle):
    def forward(self, x: Tensor) -> Tensor:
        kernels = _kernels(x)
        if kernels is None or not x.is_contiguous(memory_format=torch.channels_last):
            return super().forward(x)
        return kernels.shuffle_pixels(x)


_FUSED: tuple[tuple[Callable[[nn.Module], bool], type[nn.Module]], ...] = (
    (lambda module: isinstance(module, Bottleneck) and _is_folded(module, 3), _ConvBottleneck),
    (lambda module: isinstance(module, BasicBlock) and _is_folded(module, 2), _ConvBasicBlock),
    (_is_mixer, _ConvMixer),
    (_is_context_head, _ConvContextHead),
    (lambda module: type(module) is PyramidBackbone, _JoiningBackbone),
    (_is_shuffle, _Shuffle),
)


def _fuse_stem(net: Any) -> None:
    """Exchange the first convolution, its ReLU and the pooling of a ResNet."""
    conv = net.conv1
    _become(conv, _StemConv)
    conv.of_squares = _weights_of_squares(conv.weight)
    _become(net.act1, _Passing)
    _become(net.maxpool, _StemPool)
    net.maxpool.bias_before = conv.bias.detach()


def _weights_of_squares(weight: Tensor) -> Tensor:
    """Return 4 x 4 weights on squares of pixels for 7 x 7 ones, stride 2, on pixels.

    Row k of the old kernel, from a row of zeros before its first one on, is row k // 2 of the new
    one and row k % 2 of the square.
    """
    out = weight.shape[0]
    eight = F.pad(weight, (1, 0, 1, 0)).view(out, 3, 4, 2, 4, 2)
    squares = eight.permute(0, 3, 5, 1, 2, 4).reshape(out, 12, 4, 4)
    filled = F.pad(squares, (0, 0, 0, 0, 0, 4))
    return filled.detach().contiguous(memory_format=torch.channels_last)


class _StemConv(nn.Conv2d):
    """Gives a row and a column too many at the end, and leaves the bias to the pooling."""

    of_squares: Tensor

    def forward(self, input: Tensor) -> Tensor:
        images = input.contiguous(memory_format=torch.channels_last).to(self.of_squares.dtype)
        kernels: Any = _kernels(input)
        return F.conv2d(kernels.quarter_pixels(images), self.of_squares, padding=2)


class _Passing(nn.ReLU):
    def forward(self, input: Tensor) -> Tensor:
        return input


class _StemPool(nn.MaxPool2d):
    bias_before: Tensor

    def forward(self, input: Tensor) -> Tensor:
        kernels: Any = _kernels(input)
        height, width = (side - 1 for side in input.shape[-2:])
        maps = input.contiguous(memory_format=torch.channels_last)
        return kernels.bias_relu_max_pool(maps, self.bias_before, height, width)


def _same(expected: Tensor, got: Tensor, *, tolerance: float) -> bool:
    known = ~expected.isnan()
    difference = (expected - got)[known].abs()
    return bool((difference <= tolerance * expected[known].abs().max()).all())
