"""From a feature map to one heatmap a keypoint."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_pose.contracts.errors import ModelError
from lightning_pose.ops.heatmaps import spatial_softmax


def num_upsamplings(*, stride: int, factor: int) -> int:
    """Return how often a head must double its map after the pixel shuffle.

    Args:
        stride: of the backbone.
        factor: the heatmap is 2^factor smaller than the image.

    Raises:
        ModelError: the feature map is too fine already.

    Example:
        >>> num_upsamplings(stride=32, factor=2)
        2
    """
    number = stride.bit_length() - 1 - factor - 1
    if number < 0:
        raise ModelError(
            f"A backbone of stride {stride} cannot give heatmaps {2**factor} times smaller than "
            f"the image: its pixel shuffle alone makes them {stride // 2} times smaller. Choose a "
            f"smaller data.downsample_factor than {factor}."
        )
    return number


class Upsampler(nn.Module):
    """Transposed convolutions (3x3, stride 2) to K score maps; a 1x1 convolution if none is due.

    Runs in 32 bits: scores rounded to bfloat16 would move a peak by a tenth of a pixel.

    Args:
        in_channels: of the map it is given.
        num_maps: K.
        num_doublings: how many transposed convolutions.
    """

    def __init__(self, *, in_channels: int, num_maps: int, num_doublings: int) -> None:
        super().__init__()
        if num_doublings == 0:
            self.layers = nn.Sequential(nn.Conv2d(in_channels, num_maps, 1))
        else:
            widths = [in_channels] + [num_maps] * num_doublings
            self.layers = nn.Sequential(
                *(
                    nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1)
                    for a, b in pairwise(widths)
                )
            )
        for layer in self.layers:
            nn.init.xavier_uniform_(layer.weight)  # pyright: ignore
            nn.init.zeros_(layer.bias)  # pyright: ignore

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k height width"]:
        """Return the score maps."""
        with torch.autocast(maps.device.type, enabled=False):
            return self.layers(maps.to(self.layers[0].weight.dtype))  # pyright: ignore


class HeatmapHead(nn.Module):
    """Pixel shuffle, transposed convolutions, softmax over the pixels of each map.

    Args:
        in_channels, stride: of the backbone.
        num_keypoints: K.
        factor: the heatmap is 2^factor smaller than the image.
    """

    def __init__(self, *, in_channels: int, stride: int, num_keypoints: int, factor: int) -> None:
        super().__init__()
        self.shuffle = nn.PixelShuffle(2)
        self.upsample = Upsampler(
            in_channels=shuffled_channels(in_channels),
            num_maps=num_keypoints,
            num_doublings=num_upsamplings(stride=stride, factor=factor),
        )

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k height width"]:
        """Return heatmaps that sum to 1."""
        return spatial_softmax(self.upsample(self.shuffle(features)))


def shuffled_channels(channels: int) -> int:
    """Return how many channels are left when a pixel shuffle doubles a map.

    Raises:
        ModelError: the number is no multiple of four.
    """
    if channels % 4:
        raise ModelError(
            f"The backbone has {channels} channels; the pixel shuffle needs a multiple of 4."
        )
    return channels // 4
