"""The batches of all cameras of a session, side by side; what does not fit together is told of."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from jaxtyping import Int
from torch import Tensor

from lightning_pose.contracts.errors import VideoError
from lightning_pose.data.wording import count
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.nvdec_reader import room_for
from lightning_pose.video.reader import SegmentReader, VideoReader
from lightning_pose.video.segments import Segment


def in_step(
    readers: Sequence[VideoReader], *, boxes: Sequence[Int[Tensor, "n 4"] | None] = ()
) -> Generator[tuple[RawFrames, ...]]:
    """Yield the batches of all views together.

    Args:
        readers: one a view.
        boxes: of each view, one a frame, or None; empty = none at all.

    Raises:
        VideoError: one video is shorter than another, or a view has not one box a frame.
    """
    names = [str(reader.info.path) for reader in readers]
    iterators = [iter(reader) for reader in readers]
    boxes = boxes or [None] * len(readers)
    frames = 0
    while True:
        batches = [next(iterator, None) for iterator in iterators]
        together = tuple(batch for batch in batches if batch is not None)
        if not together:
            break
        found = [0 if raw is None else len(raw.frame_ids) for raw in batches]
        if len(set(found)) > 1:
            raise VideoError(_differ(names, [frames + more for more in found]))
        frames += found[0]
        for box, name in zip(boxes, names, strict=True):
            if box is not None and len(box) < frames:
                raise VideoError(f"There are {len(box)} boxes for {name}, which has more frames.")
        yield together
    for box, name in zip(boxes, names, strict=True):
        if box is not None and len(box) != frames:
            raise VideoError(f"There are {len(box)} boxes for the {frames} frames of {name}.")


def parts_in_step(
    readers: Sequence[SegmentReader], segments: Sequence[Segment]
) -> Generator[tuple[RawFrames, ...]]:
    """Yield the batches of some consecutive segments, of all views together.

    Args:
        readers: one a view; of videos with equally many frames.
        segments: of the first of them.
    """
    with room_for(readers):
        yield from zip(*[reader.read(segments) for reader in readers], strict=True)


def _differ(names: Sequence[str], read: Sequence[int]) -> str:
    """Return the sentence on videos of which so many frames were read when the shortest ended."""
    told = ", ".join(
        f"{name} has {'' if number == min(read) else 'at least '}{count(number, 'frame')}"
        for name, number in zip(names, read, strict=True)
    )
    return (
        f"The videos of one session differ in length: {told}. Cut them to the same frames, or "
        "take the session out."
    )
