"""A heatmap head that sees a frame's neighbours: convolutional recurrence from both sides."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_pose.models.heads.heatmap import (
    Mixer,
    Upsampler,
    num_upsamplings,
    shuffled_channels,
)


class ContextHead(nn.Module):
    """Reads a window of frames forwards and backwards up to its centre, where the heatmaps are.

    With embedded frames e_1 .. e_5, the state runs h_1 = relu(e_1), h_t = relu(e_t + W h_(t-1)) to
    the centre e_3, and the same way, with other weights, from e_5 down to e_3. The heatmaps are
    read off both states. The embedding of a frame does not depend on the window it is in, so on
    video ``mix`` makes it once a frame, of the shuffled maps that the static head reads too.

    Args:
        in_channels, stride: of the backbone.
        num_keypoints: K.
        factor: the heatmap is 2^factor smaller than the image.
        hidden_channels: width of the recurrent state.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        stride: int,
        num_keypoints: int,
        factor: int,
        hidden_channels: int,
    ) -> None:
        super().__init__()
        self.mix = Mixer(shuffled_channels(in_channels), hidden_channels, linear=True)
        self.forwards = nn.Conv2d(hidden_channels, hidden_channels, 3, padding=1)
        self.backwards = nn.Conv2d(hidden_channels, hidden_channels, 3, padding=1)
        self.upsample = Upsampler(
            in_channels=2 * hidden_channels,
            num_maps=num_keypoints,
            num_doublings=num_upsamplings(stride=stride, factor=factor),
        )
        for layer in (self.forwards, self.backwards):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # pyright: ignore

    def forward(
        self, window: Sequence[Float[Tensor, "n hidden h w"]]
    ) -> Float[Tensor, "n k height width"]:
        """Return the centre frame's heatmaps.

        Args:
            window: embedded frames in time order, an odd number; the i-th entry holds the i-th
                frame of every window.
        """
        centre = len(window) // 2
        before = self.recur(self.forwards, window[: centre + 1])
        after = self.recur(self.backwards, window[centre:][::-1])
        return self.upsample.heatmaps(torch.cat([before, after], dim=1))

    def recur(
        self, step: nn.Conv2d, frames: Sequence[Float[Tensor, "n hidden h w"]]
    ) -> Float[Tensor, "n hidden h w"]:
        """Return the state after the last of some embedded frames, with W = ``step``."""
        state = frames[0].relu()
        for frame in frames[1:]:
            state = (frame + step(state)).relu()
        return state
