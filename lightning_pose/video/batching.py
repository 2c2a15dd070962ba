"""Cutting a stream of frames into batches that overlap by a halo."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from lightning_pose.contracts.batches import Batch


@dataclass(frozen=True, kw_only=True)
class RawFrames(Batch):
    """Consecutive frames of a video as they were decoded.

    The first and last ``halo`` frames give context only; at the ends of the video they repeat
    the edge frame.

    Attributes:
        frames: RGB, 0..255.
        frame_ids: 0-based numbers of the n = t - 2 * halo frames in between.
        halo: frames of context at either end.
    """

    frames: UInt8[Tensor, "t height width 3"]
    frame_ids: Int[Tensor, " n"]
    halo: int = 0


def in_batches(
    pictures: Iterable[UInt8[np.ndarray, "height width 3"]],
    *,
    batch_size: int,
    halo: int = 0,
    pin_memory: bool = False,
) -> Generator[RawFrames]:
    """Yield all pictures in batches of ``batch_size`` frames to be predicted; the last is shorter.

    Every batch has memory of its own, so that it may be kept or sent on without copying.

    Args:
        pictures: RGB frames of one size; each is copied at once.
        batch_size: frames to be predicted per batch.
        halo: frames of context at either end of each batch.
        pin_memory: in memory from which a GPU copies while computing.
    """
    overlap = 2 * halo
    buffer = torch.empty(0, dtype=torch.uint8)
    filled = first_id = 0
    for picture in _with_edges(pictures, halo):
        if filled == 0:
            shape = (batch_size + overlap, *picture.shape)
            buffer = torch.empty(shape, dtype=torch.uint8, pin_memory=pin_memory)
        elif filled == batch_size + overlap:
            yield _batch(buffer, filled, first_id, halo)
            first_id += batch_size
            last = buffer
            buffer = torch.empty(last.shape, dtype=torch.uint8, pin_memory=pin_memory)
            buffer[:overlap] = last[batch_size:]
            filled = overlap
        buffer.numpy()[filled] = picture
        filled += 1
    if filled > overlap:
        yield _batch(buffer, filled, first_id, halo)


def _batch(buffer: Tensor, filled: int, first_id: int, halo: int) -> RawFrames:
    number = filled - 2 * halo
    return RawFrames(
        frames=buffer[:filled],
        frame_ids=torch.arange(first_id, first_id + number),
        halo=halo,
    )


def _with_edges(
    pictures: Iterable[UInt8[np.ndarray, "height width 3"]], halo: int
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Yield the pictures with the first and the last repeated ``halo`` times more."""
    last = None
    for picture in pictures:
        if last is None:
            yield from repeat(picture, halo)
        yield picture
        last = picture
    if last is not None:
        yield from repeat(last, halo)
