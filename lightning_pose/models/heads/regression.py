"""From a feature map straight to coordinates."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class RegressionHead(nn.Module):
    """Mean over the map, then a linear layer to (x, y) of each keypoint; runs in 32 bits.

    Args:
        in_channels: of the backbone.
        num_keypoints: K.
    """

    def __init__(self, *, in_channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, 2 * num_keypoints)
        nn.init.normal_(self.linear.weight, std=1e-3)
        nn.init.constant_(self.linear.bias, 0.5)  # training starts from the centre of the image

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k 2"]:
        """Return coordinates as fractions of the image's width and height."""
        with torch.autocast(features.device.type, enabled=False):
            pooled = features.to(self.linear.weight.dtype).mean(dim=(-2, -1))
            return self.linear(pooled).unflatten(-1, (-1, 2))
