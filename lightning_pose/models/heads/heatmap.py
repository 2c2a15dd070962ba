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


class Mixer(nn.Sequential):
    """A 3x3 convolution, batch norm and, unless ``linear``, ReLU.

    It brings the channels of the shuffled map together and to one scale; without it training is
    slow to start.
    """

    def __init__(self, in_channels: int, out_channels: int, *, linear: bool = False) -> None:
        convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        super().__init__(
            convolution, nn.BatchNorm2d(out_channels), *([] if linear else [nn.ReLU()])
        )


class Upsampler(nn.Module):
    """Transposed convolutions (3x3, stride 2) to K score maps; a 1x1 convolution if none is due.

    Runs in 32 bits: scores rounded to bfloat16 would move a peak by a tenth of a pixel.

    Args:
        in_channels: of the map it is given.
        num_maps: K.
        num_doublings: how many transposed convolutions.
    """

    in_32_bits = True

    def __init__(self, *, in_channels: int, num_maps: int, num_doublings: int) -> None:
        super().__init__()
        widths = [in_channels] + [num_maps] * num_doublings
        doublings = [
            nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1)
            for a, b in pairwise(widths)
        ]
        self.layers = nn.Sequential(*(doublings or [nn.Conv2d(in_channels, num_maps, 1)]))
        for layer in self.layers:
            nn.init.xavier_uniform_(layer.weight)  # pyright: ignore
            nn.init.zeros_(layer.bias)  # pyright: ignore

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k height width"]:
        """Return the score maps."""
        with torch.autocast(maps.device.type, enabled=False):
            return self.layers(maps.to(self.layers[0].weight.dtype))  # pyright: ignore

    def heatmaps(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k height width"]:
        """Return the softmax of the score maps over their pixels."""
        return spatial_softmax(self(maps))


class HeatmapHead(nn.Module):
    """Pixel shuffle, a convolution, transposed convolutions, softmax over each map's pixels.

    Args:
        in_channels, stride: of the backbone.
        num_keypoints: K.
        factor: the heatmap is 2^factor smaller than the image.
        hidden_channels: of the convolution; 0 leaves it out.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        stride: int,
        num_keypoints: int,
        factor: int,
        hidden_channels: int = 64,
    ) -> None:
        super().__init__()
        shuffled = shuffled_channels(in_channels)
        self.shuffle = nn.PixelShuffle(2)
        self.mix = Mixer(shuffled, hidden_channels) if hidden_channels else nn.Identity()
        self.upsample = Upsampler(
            in_channels=hidden_channels or shuffled,
            num_maps=num_keypoints,
            num_doublings=num_upsamplings(stride=stride, factor=factor),
        )

    def forward(
        self, features: Float[Tensor, "n c h w"], *, shuffled: bool = False
    ) -> Float[Tensor, "n k height width"]:
        """Return heatmaps that sum to 1.

        Args:
            features: of the backbone.
            shuffled: whether the pixels of these were shuffled already.
        """
        return self.upsample.heatmaps(self.mix(features if shuffled else self.shuffle(features)))
