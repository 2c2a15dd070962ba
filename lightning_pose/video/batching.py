"""Cutting a stream of frames into batches that overlap by a halo."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from numbers import Integral

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from lightning_pose.contracts.batches import Batch
from lightning_pose.contracts.errors import VideoError


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


@dataclass(frozen=True)
class Part:
    """Frames ``start`` to ``stop - 1`` of a video, to be predicted with context around them.

    Attributes:
        start: the first of them.
        stop: the first after them.
        num_frames: of the whole video.
    """

    start: int
    stop: int
    num_frames: int

    def with_context(self, halo: int) -> tuple[int, int]:
        """Return the first frame to be read and the first after them, as far as there are any."""
        return max(0, self.start - halo), min(self.num_frames, self.stop + halo)

    def repeated(self, halo: int) -> tuple[int, int]:
        """Return how often the first and the last frame read are to be repeated."""
        first, end = self.with_context(halo)
        return halo - (self.start - first), halo - (end - self.stop)


def checked_batch_size(size: object) -> int:
    """Return a number of frames as a plain number.

    Raises:
        VideoError: it is none.
    """
    if not isinstance(size, Integral) or size < 1:
        raise VideoError(
            f"A batch needs a whole number of frames, and at least one frame, got {size!r}."
        )
    return int(size)


def in_batches(
    pictures: Iterable[UInt8[np.ndarray, "height width 3"]],
    *,
    batch_size: int | Iterable[int],
    halo: int = 0,
    pin_memory: bool = False,
    part: Part | None = None,
) -> Generator[RawFrames]:
    """Yield all pictures in batches; the last is as long as there are pictures left.

    Every batch has memory of its own, so that it may be kept or sent on without copying.

    Args:
        pictures: RGB frames of one size; each is copied at once.
        batch_size: frames to be predicted per batch: of all, or of one after the other.
        halo: frames of context at either end of each batch.
        pin_memory: in memory from which a GPU copies while computing.
        part: what of the video the pictures are, where they are not all of it.
    """
    overlap = 2 * halo
    sizes = repeat(batch_size) if isinstance(batch_size, int) else iter(batch_size)
    size = next(sizes, 0)
    buffer = torch.empty(0, dtype=torch.uint8)
    filled, first_id = 0, part.start if part else 0
    for picture in _with_edges(pictures, part.repeated(halo) if part else (halo, halo)):
        if filled == 0:
            shape = (size + overlap, *picture.shape)
            buffer = torch.empty(shape, dtype=torch.uint8, pin_memory=pin_memory)
        elif filled == size + overlap:
            yield _batch(buffer, filled, first_id, halo)
            first_id, last, previous = first_id + size, buffer, size
            size = next(sizes)
            shape = (size + overlap, *picture.shape)
            buffer = torch.empty(shape, dtype=torch.uint8, pin_memory=pin_memory)
            buffer[:overlap] = last[previous:]
            filled = overlap
        buffer.numpy()[filled] = picture
        filled += 1
    if filled > overlap:
        yield _batch(buffer, filled, first_id, halo)


def sequences_in_batches(
    sequences: Iterable[UInt8[Tensor, "_ height width 3"]],
    *,
    batch_size: int | Iterable[int],
    halo: int = 0,
    part: Part | None = None,
) -> Generator[RawFrames]:
    """Yield frames in batches, on the device they are on.

    The same as :func:`in_batches`, for frames that come in sequences.
    """
    sizes = repeat(batch_size) if isinstance(batch_size, int) else iter(batch_size)
    size = next(sizes, 0)
    before, after = part.repeated(halo) if part else (halo, halo)
    first_id = part.start if part else 0
    kept: list[Tensor] = []
    number = 0
    last: Tensor | None = None
    for sequence in sequences:
        if last is None:
            kept, number = [sequence[:1]] * before, before
        kept.append(sequence)
        number += len(sequence)
        last = sequence[-1:]
        while size and number >= size + 2 * halo:
            joined = kept[0] if len(kept) == 1 else torch.cat(kept)
            yield _batch(joined, size + 2 * halo, first_id, halo)
            first_id, kept, number = first_id + size, [joined[size:]], number - size
            size = next(sizes, 0)
    if last is None or number + after <= 2 * halo:
        return
    joined = torch.cat([*kept, *[last] * after])
    while size and len(joined) > 2 * halo:
        size = min(size, len(joined) - 2 * halo)
        yield _batch(joined, size + 2 * halo, first_id, halo)
        first_id, joined, size = first_id + size, joined[size:], next(sizes, 0)


def filled_batches(
    fill: Callable[[UInt8[Tensor, "_ height width 3"]], int],
    *,
    empty: Callable[[int], UInt8[Tensor, "_ height width 3"]],
    capacity: int,
    sizes: Iterable[int],
    halo: int,
    part: Part,
) -> Generator[RawFrames]:
    """Yield frames in batches, each in memory of its own, always of the same size.

    The same as :func:`in_batches`, for a source that writes frames where it is told to. Equal
    sizes are what the memory of a GPU is handed out best in.

    Args:
        fill: writes the next frames, as many as there is room for, and returns how many those
            were: 0 = there are no more.
        empty: returns room for so many frames, on their device.
        capacity: of the largest batch, without its halo.
        sizes: frames to be predicted, of one batch after the other.
        halo: frames of context at either end of each batch.
        part: what of the video there is.
    """
    before, _ = part.repeated(halo)
    first_id, kept = part.start, empty(0)
    for number, size in enumerate(sizes):
        buffer = empty(capacity + 2 * halo)
        buffer[: len(kept)] = kept
        filled, wanted = (len(kept) if number else before), size + 2 * halo
        while filled < wanted and (new := fill(buffer[filled:wanted])):
            filled += new
        if not number:
            buffer[:before] = buffer[before : before + 1]
        buffer[filled:wanted] = buffer[filled - 1 : filled]
        yield _batch(buffer, wanted, first_id, halo)
        first_id, kept = first_id + size, buffer[size:wanted]


def _batch(
    buffer: UInt8[Tensor, "_ height width 3"], filled: int, first_id: int, halo: int
) -> RawFrames:
    number = filled - 2 * halo
    return RawFrames(
        frames=buffer[:filled],
        frame_ids=torch.arange(first_id, first_id + number),
        halo=halo,
    )


def _with_edges(
    pictures: Iterable[UInt8[np.ndarray, "height width 3"]], times: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Yield the pictures with the first and the last repeated so many times more."""
    last = None
    for picture in pictures:
        if last is None:
            yield from repeat(picture, times[0])
        yield picture
        last = picture
    if last is not None:
        yield from repeat(last, times[1])
