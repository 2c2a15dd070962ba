"""The reader that works everywhere: FFmpeg through PyAV, decoding in a thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch

from lightning_pose.contracts.errors import UnreadableError, VideoError
from lightning_pose.contracts.registry import READERS
from lightning_pose.video.background import in_background
from lightning_pose.video.batching import Part, RawFrames, checked_batch_size, in_batches
from lightning_pose.video.decode import Decoder
from lightning_pose.video.sample_frames import SampleFrames
from lightning_pose.video.sample_table import SampleTable, trusted_table
from lightning_pose.video.segments import (
    Segment,
    batch_sizes,
    check_consecutive,
    cut_into_segments,
)

_BATCHES_AHEAD = 2


@READERS.register("pyav")
class PyAVReader:
    """Decodes any file FFmpeg knows on the CPU; the reference for all other readers.

    Memory does not grow with the length of the video: at most four batches of frames are held.

    Args:
        video: the file.
        batch_size: frames to be predicted per batch.
        halo: frames of context at either end of each batch.
        device: where the frames go later; for a GPU they are put in pinned memory.

    Raises:
        VideoError: see :func:`~lightning_pose.video.info.probe`.
    """

    priority: ClassVar[int] = 0

    def __init__(
        self,
        video: Path | str,
        *,
        batch_size: int,
        halo: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if halo < 0:
            raise VideoError(f"A halo is of at least 0 frames, got {halo}.")
        self._decoder = Decoder(video)
        self.info = self._decoder.info
        self.num_frames: int | None = None
        self._batch_size = checked_batch_size(batch_size)
        self._halo = halo
        self._pin_memory = torch.device(device).type == "cuda"

    @classmethod
    def usable(cls, video: Path, *, device: torch.device | str = "cpu") -> str | None:
        """Return None: FFmpeg is tried on everything, and says itself what it cannot read."""
        return None

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the file; complete once iteration has ended."""
        return self._decoder.problems

    def __iter__(self) -> Iterator[RawFrames]:
        """Yield every frame that can be decoded once, in display order.

        Raises:
            VideoError: the frame size changes midway, or the file can no longer be read.
        """
        self.num_frames = None
        pictures = (picture.pixels for picture in self._decoder)
        batches = in_batches(
            pictures,
            batch_size=self._batch_size,
            halo=self._halo,
            pin_memory=self._pin_memory,
        )
        yield from in_background(batches, ahead=_BATCHES_AHEAD)
        self.num_frames = self._decoder.num_frames

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Return the parts that can be read one by one; none if the file has no good index."""
        table = self._table
        if table is None:
            return ()
        return cut_into_segments(table.num_frames, table.entries, halo=self._halo)

    def read(self, segments: Sequence[Segment]) -> Iterator[RawFrames]:
        """Yield the frames of consecutive segments, in batches that lie in one segment each.

        May be called from several threads: each reads with a decoder of its own.

        Raises:
            DamagedError: a frame cannot be decoded as it is; read the video as a whole.
            UnreadableError: the file can no longer be read.
            VideoError: it has no segments.
        """
        try:
            yield from self._read(segments)
        except OSError as error:
            path, reason = self.info.path, error.strerror or error
            if error.filename is not None and Path(error.filename) != path:
                reason = f"{error.filename}: {reason}"
            raise UnreadableError(f"{path} can no longer be read: {reason}.") from error

    def _read(self, segments: Sequence[Segment]) -> Iterator[RawFrames]:
        """Yield the frames, as :meth:`read` does; errors of the disk are raised as they are."""
        start, stop = check_consecutive(segments)
        table, path = self._table, self.info.path
        if table is None:
            raise VideoError(f"{path} has no index to find its frames by.")
        part = Part(start, stop, table.num_frames)
        source = SampleFrames(path, table, self.info.orientation)
        try:
            yield from in_batches(
                source.stream(*part.with_context(self._halo)),
                batch_size=batch_sizes(segments, self._batch_size),
                halo=self._halo,
                pin_memory=self._pin_memory,
                part=part,
            )
        finally:
            source.close()

    @cached_property
    def _table(self) -> SampleTable | None:
        return trusted_table(self.info)
