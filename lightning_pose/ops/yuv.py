"""From what video decoders give (8-bit 4:2:0) to RGB, to the last bit as FFmpeg does it.

FFmpeg (libswscale) works in 16-bit integers: each plane's share is multiplied, cut to whole grey
levels towards minus infinity, and only then are the shares added. The four pixels of a 2 x 2 block
have one colour. So a picture decoded on a GPU and one decoded by FFmpeg are the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

BT_709, BT_601 = (1,), (2, 5, 6)  # FFmpeg's numbers of matrices; 2 is "not stated"
_SCALE = 1 << 16
# Of red by V, blue by U, green by U and by V, in units of 2^-16, for video range.
_MATRICES = {
    **dict.fromkeys(BT_601, (104597, 132201, 25675, 53279)),
    **dict.fromkeys(BT_709, (117489, 138438, 13975, 34925)),
}


@dataclass(frozen=True)
class YuvToRgb:
    """The numbers of one conversion, in units of 2^-13.

    Attributes:
        black: value of Y that is black.
        y: brightness, of all three colours.
        v_red: of V in red.
        u_green: of U in green.
        v_green: of V in green.
        u_blue: of U in blue.
    """

    black: int
    y: int
    v_red: int
    u_green: int
    v_green: int
    u_blue: int

    @classmethod
    def of(cls, colour_matrix: int, *, full_range: bool = False) -> YuvToRgb | None:
        """Return the conversion for a video's tags; None if its matrix is not known here.

        Args:
            colour_matrix: FFmpeg's number of it.
            full_range: whether brightness is stored as 0..255, not 16..235.
        """
        shares = _MATRICES.get(colour_matrix)
        if shares is None:
            return None
        bright = _SCALE if full_range else _SCALE * 255 // 219
        if full_range:
            shares = tuple(share * 224 // 255 for share in shares)
        y, v_red, u_blue, u_green, v_green = (
            (share + 4) >> 3 for share in (bright, shares[0], shares[1], -shares[2], -shares[3])
        )
        return cls(0 if full_range else 16, y, v_red, u_green, v_green, u_blue)


def nv12_to_rgb(
    nv12: UInt8[Tensor, "n _ width"], height: int, conversion: YuvToRgb
) -> UInt8[Tensor, "n {height} width 3"]:
    """Return RGB pictures from brightness and interleaved colour planes, on any device.

    Args:
        nv12: of each picture ``height`` rows of Y, then half as many of U and V in turns.
        height: of the pictures, in pixels.
        conversion: the numbers.
    """
    width = nv12.shape[-1]
    y = _share(nv12[:, :height].int() - conversion.black, conversion.y)
    colour = nv12[:, height:].int() - 128
    u, v = (_doubled(colour[..., part::2], height, width) for part in (0, 1))
    red = y + _share(v, conversion.v_red)
    green = y + _share(u, conversion.u_green) + _share(v, conversion.v_green)
    blue = y + _share(u, conversion.u_blue)
    return torch.stack([red, green, blue], dim=-1).clamp_(0, 255).to(torch.uint8)


def _share(values: Int[Tensor, "n h w"], factor: int) -> Int[Tensor, "n h w"]:
    return (values * (8 * factor)) >> 16


def _doubled(
    plane: Int[Tensor, "n _ _"], height: int, width: int
) -> Int[Tensor, "n {height} {width}"]:
    tall = plane.repeat_interleave(2, dim=1)[:, :height]
    return tall.repeat_interleave(2, dim=2)[:, :, :width]
