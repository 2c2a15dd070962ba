"""What every video reader offers, and choosing one for a video."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import torch

from lightning_pose.contracts.errors import VideoError
from lightning_pose.contracts.registry import READERS
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.info import VideoInfo
from lightning_pose.video.segments import Segment

_logger = logging.getLogger(__name__)
_told: set[str] = set()  # reasons why videos are not decoded on a GPU


@runtime_checkable
class VideoReader(Protocol):
    """Reads one video from its first to its last frame, in batches.

    A reader registers itself with ``@READERS.register(name)`` and is made as
    ``Reader(video, batch_size=..., halo=..., device=...)``. It decides for itself where it
    decodes; the frames it yields may lie on any device.

    Attributes:
        priority: where several readers can read a video, the highest is taken.
        info: what the header of the video says.
    """

    priority: ClassVar[int]
    info: VideoInfo

    @classmethod
    def usable(cls, video: Path, *, device: torch.device | str = "cpu") -> str | None:
        """Return None if this reader can read ``video`` here, else why not, in one sentence."""
        ...

    @property
    def num_frames(self) -> int | None:
        """Return how many frames were decoded; None until iteration has ended."""
        ...

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the file; complete once iteration has ended."""
        ...

    def __iter__(self) -> Iterator[RawFrames]:
        """Yield every frame once, in order, 0-based ``frame_ids``."""
        ...


@runtime_checkable
class SegmentReader(VideoReader, Protocol):
    """A reader that can also begin in the middle, and read several parts at a time.

    Attributes:
        segments: parts of the video, one after the other; none = only as a whole.
    """

    segments: tuple[Segment, ...]

    def read(self, segments: Sequence[Segment]) -> Iterator[RawFrames]:
        """Yield the frames of consecutive segments, in batches that lie in one segment each.

        Frames have the numbers that they have in the whole video, and the same context. May be
        called from several threads.

        Raises:
            DamagedError: a frame cannot be had so; read the video as a whole.
        """
        ...


def open_reader(
    video: Path | str,
    *,
    batch_size: int,
    halo: int = 0,
    device: torch.device | str = "cpu",
    name: str = "auto",
) -> VideoReader:
    """Return a reader for ``video``: the named one, or the best that can read it here.

    Why another one than the best there is must do on a GPU is said, once for each reason.

    Raises:
        VideoError: the video cannot be read, or not by the named reader; the message says why.
        ConfigError: there is no reader of that name.
    """
    video = Path(video)
    if name != "auto":
        kind = READERS.get(name)
        if reason := kind.usable(video, device=device):
            raise VideoError(f"{video} cannot be read with {name!r}: {reason}")
        return kind(video, batch_size=batch_size, halo=halo, device=device)
    reasons: dict[str, str] = {}
    for entry in sorted(READERS, key=lambda entry: -entry.value.priority):
        reason = entry.value.usable(video, device=device)
        if reason is None:
            if reasons and torch.device(device).type == "cuda":
                _say_why(next(iter(reasons.values())), video.name)
            return entry.value(video, batch_size=batch_size, halo=halo, device=device)
        reasons[entry.name] = reason
    told = " ".join(f"{reader}: {reason}" for reader, reason in reasons.items())
    raise VideoError(f"{video} cannot be read here. {told}")


def _say_why(reason: str, name: str) -> None:
    if reason not in _told:
        _told.add(reason)
        _logger.info(
            "%s is decoded on the CPU, as is every video of which the same holds: %s", name, reason
        )
