"""Resizing frames to the network's input, and feature maps to a finer one's size.

Frames: one function for labelled images and for video.

Pixel centres are integers and edges stay in place (``align_corners=False``), so a point moves by
``x_net = (x_img + 0.5) * W_net / W_img - 0.5``. When shrinking, the triangle filter is widened by
the scale (antialiasing), as Pillow and DALI do; when growing it is plain bilinear.
"""

# Tensor.unique_consecutive, split and tolist have no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional


def resize_frames(
    frames: UInt8[Tensor, "n _ _ _"], height: int, width: int
) -> UInt8[Tensor, "n 3 {height} {width}"]:
    """Return RGB frames resized to ``height`` x ``width``, on the device they are on.

    The result has shape n 3 h w and lies channels-last in memory, ready for a channels-last
    network. On the CPU the work is done in 8-bit arithmetic (fast with channels-last input), on
    a GPU in float32, rounded. The two agree to one grey level.

    Args:
        frames: n H W 3 as decoders give them, or n 3 H W.
        height: of the result, in pixels.
        width: of the result, in pixels.

    Example:
        >>> ramp = torch.tensor([0, 10, 20, 30], dtype=torch.uint8).repeat(1, 4, 3, 1).mT
        >>> resize_frames(ramp, 2, 2)[0, 0]
        tensor([[ 7, 23],
                [ 7, 23]], dtype=torch.uint8)
    """
    planes = _channels_first(frames)
    if planes.shape[-2:] == (height, width):
        return planes.contiguous(memory_format=torch.channels_last)
    if planes.device.type == "cpu":
        planes = planes.contiguous(memory_format=torch.channels_last)
        return _interpolate(planes, height, width).contiguous(memory_format=torch.channels_last)
    resized = _interpolate(planes.float(), height, width)
    rounded = resized.round_().clamp_(0, 255).to(torch.uint8)
    return rounded.contiguous(memory_format=torch.channels_last)


def crop_frames(
    frames: UInt8[Tensor, "n _ _ _"], box_xyhw: Sequence[int]
) -> UInt8[Tensor, "n 3 _ _"]:
    """Return the part of each frame inside a box; what lies outside the frame is black.

    Args:
        frames: n H W 3 or n 3 H W.
        box_xyhw: first column, first row, height and width, in pixels; may reach over the edges.

    Example:
        >>> frame = torch.arange(12, dtype=torch.uint8).reshape(1, 1, 3, 4).repeat(1, 3, 1, 1)
        >>> crop_frames(frame, (3, 1, 2, 2))[0, 0]
        tensor([[ 7,  0],
                [11,  0]], dtype=torch.uint8)
    """
    planes = _channels_first(frames)
    x, y, height, width = box_xyhw
    inside = planes[..., max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
    if inside.shape[-2:] == (height, width):
        return inside
    black = torch.zeros(
        (len(planes), 3, height, width), dtype=torch.uint8, device=planes.device
    ).contiguous(memory_format=torch.channels_last)
    top, left = max(-y, 0), max(-x, 0)
    black[..., top : top + inside.shape[-2], left : left + inside.shape[-1]] = inside
    return black


def crop_and_resize(
    frames: UInt8[Tensor, "n _ _ _"], boxes_xyhw: Int[Tensor, "n 4"], height: int, width: int
) -> UInt8[Tensor, "n 3 {height} {width}"]:
    """Return the part of each frame inside its own box, resized as by :func:`resize_frames`.

    Args:
        frames: n H W 3 or n 3 H W.
        boxes_xyhw: of each frame: first column, first row, height and width, in pixels. Runs of
            equal boxes are resized together.
        height: of the result, in pixels.
        width: of the result, in pixels.

    Example:
        >>> frame = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 1, 4).repeat(2, 3, 1, 1)
        >>> crop_and_resize(frame, torch.tensor([[0, 0, 1, 2], [1, 0, 1, 2]]), 1, 2)[:, 0, 0]
        tensor([[0, 1],
                [1, 2]], dtype=torch.uint8)
    """
    runs, lengths = boxes_xyhw.unique_consecutive(return_counts=True, dim=0)
    parts = [
        resize_frames(crop_frames(some, box), height, width)
        for some, box in zip(frames.split(lengths.tolist()), runs.tolist(), strict=True)
    ]
    return torch.cat(parts)


def enlarge_maps(
    maps: Float[Tensor, "n c _ _"], height: int, width: int
) -> Float[Tensor, "n c {height} {width}"]:
    """Return feature maps interpolated bilinearly to a larger size.

    The numbers are those of ``torch.nn.functional.interpolate(..., mode="bilinear")``. Here it is
    two matrix products, whose backward pass adds in a fixed order on a GPU too: equal seeds can
    give equal trainings there without torch's slow deterministic substitute. Under autocast they
    are computed in its precision, bf16 for instance. The result lies channels-last in memory; maps
    that have the size already come back as they are.

    Args:
        maps: n c h w.
        height: of the result; not below h.
        width: of the result; not below w.

    Example:
        >>> enlarge_maps(torch.tensor([[[[0.0, 4.0]]]]), 1, 4)
        tensor([[[[0., 1., 3., 4.]]]])
    """
    n, c, h, w = maps.shape
    if (h, w) == (height, width):
        return maps
    lines = maps.permute(0, 2, 3, 1).reshape(n, h, w * c)
    tall = _interpolation(h, height, maps) @ lines
    wide = _interpolation(w, width, maps) @ tall.reshape(n * height, w, c)
    return wide.view(n, height, width, c).permute(0, 3, 1, 2)


def _interpolation(old: int, new: int, like: Tensor) -> Float[Tensor, "{new} {old}"]:
    """Return the matrix that interpolates ``old`` values linearly to ``new``."""
    exact = torch.promote_types(like.dtype, torch.float32)
    places = (torch.arange(new, device=like.device, dtype=exact) + 0.5) * (old / new) - 0.5
    distance = places.clamp(0, old - 1)[:, None] - torch.arange(old, device=like.device)
    return (1 - distance.abs()).clamp(min=0).to(like.dtype)


def _channels_first(frames: UInt8[Tensor, "n _ _ _"]) -> UInt8[Tensor, "n 3 _ _"]:
    if frames.shape[-1] == 3:
        return frames.permute(0, 3, 1, 2)
    if frames.shape[1] == 3:
        return frames
    raise ValueError(
        f"Frames must be n H W 3 or n 3 H W (8-bit RGB), got shape {tuple(frames.shape)}."
    )


def _interpolate(planes: Tensor, height: int, width: int) -> Tensor:
    return functional.interpolate(
        planes, (height, width), mode="bilinear", align_corners=False, antialias=True
    )
