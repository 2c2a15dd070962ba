"""Score maps of a heatmap head as one convolution, and their softmax in one pass, on a GPU.

A head's transposed convolutions follow one another with nothing in between, so they are one, of
stride s = 2^d. Squares of s x s of its outputs each hang on 2 x 2 inputs: it is a convolution of
2 x 2 with s^2 channels a map, and a shuffle. The latter is done by the kernel that makes the
softmax. Biases become a map, as at the borders fewer of them add up.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_pose.models.heads.heatmap import Upsampler
from lightning_pose.ops.kernels import kernel_module


class PhaseUpsampler(Upsampler):
    """Has the weights of an :class:`Upsampler` in the form of one convolution as well."""

    phase_weights: Tensor
    _bias_maps: dict[tuple[int, int], Tensor]

    @classmethod
    def suits(cls, module: nn.Module) -> bool:
        """Tell whether ``module`` can become one: it is made of transposed convolutions alone."""
        return type(module) is Upsampler and all(
            isinstance(layer, nn.ConvTranspose2d) for layer in module.layers
        )

    def fold(self) -> None:
        """Make the weights; to be called once, on the device where they stay, in their type."""
        first: Any = self.layers[0]
        self.phase_weights = phase_weights(self.layers).to(first.weight)
        self.phase_weights = self.phase_weights.contiguous(memory_format=torch.channels_last)
        self._bias_maps = {}

    def heatmaps(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k height width"]:
        """Return the softmax of the score maps over their pixels."""
        kernels: Any = kernel_module("heatmap_kernels", maps.device)
        bias = self._bias_map(maps)
        if kernels is None or bias[0].numel() > kernels.LARGEST:
            return super().heatmaps(maps)
        with torch.autocast(maps.device.type, enabled=False):
            values = maps.to(self.phase_weights.dtype, memory_format=torch.channels_last)
            phases = F.conv2d(values, self.phase_weights, padding=1)
        phases = phases.contiguous(memory_format=torch.channels_last)
        return kernels.softmax_of_phases(phases, bias)

    def _bias_map(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "k height width"]:
        size = (maps.shape[-2], maps.shape[-1])
        if size not in self._bias_maps:
            self._bias_maps[size] = bias_map(self.layers, *size).to(self.phase_weights)
        return self._bias_maps[size]


def phase_weights(layers: nn.Sequential) -> Float[Tensor, "phases c 2 2"]:
    """Return the weights of one convolution (padding 1) that does what transposed ones do.

    They are the answers of the layers, without biases, to an impulse in each channel. Channel
    k s^2 + s i + j of the result is row i, column j of the squares of map k; its squares begin
    s - 1 rows and columns before those of the maps.

    Args:
        layers: transposed convolutions, 3 x 3 of stride 2, padding 1 and output padding 1.
    """
    parts = _in_64_bits(layers)
    channels, side = len(parts[0][0]), 2 ** len(parts)
    answer = torch.zeros(channels, channels, 3, 3, dtype=torch.float64)
    answer[range(channels), range(channels), 1, 1] = 1.0
    for weight, _ in parts:
        answer = F.conv_transpose2d(answer, weight, None, 2, 1, 1)
    kernel = F.pad(answer[..., 1 : 2 * side, 1 : 2 * side], (0, 1, 0, 1))
    # Of the two inputs in a row the second answers with the first half of its kernel.
    taps = kernel.view(channels, -1, 2, side, 2, side).flip(2, 4)
    return taps.permute(1, 3, 5, 0, 2, 4).reshape(-1, channels, 2, 2)


def bias_map(layers: nn.Sequential, height: int, width: int) -> Float[Tensor, "k rows columns"]:
    """Return what the layers say where their input is 0.

    Args:
        layers: as above, d of them.
        height: of the input; the result has 2^d times as many rows.
        width: of the input; likewise.
    """
    parts = _in_64_bits(layers)
    maps = torch.zeros(1, len(parts[0][0]), height, width, dtype=torch.float64)
    for weight, bias in parts:
        maps = F.conv_transpose2d(maps, weight, bias, 2, 1, 1)
    return maps[0]


def _in_64_bits(layers: nn.Sequential) -> list[tuple[Tensor, Tensor]]:
    parts: Any = layers
    return [(it.weight.detach().cpu().double(), it.bias.detach().cpu().double()) for it in parts]
