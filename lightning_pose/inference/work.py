"""A video, or the views of a session, while it is predicted: what is missing, what is there."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_pose.contracts.errors import LitposeError
from lightning_pose.contracts.predictions import Prediction
from lightning_pose.data.bboxes import check_boxes, check_boxes_show
from lightning_pose.inference.in_step import in_step, parts_in_step
from lightning_pose.inference.row_store import RowStore
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.reader import SegmentReader, VideoReader
from lightning_pose.video.segments import SEGMENT_FRAMES, DamagedError, Segment

Views = tuple[RawFrames, ...]
Calibrate = Callable[[Float[np.ndarray, "n k"]], Float[np.ndarray, "n k"]]


def not_watched(frame_ids: Int[np.ndarray, " n"]) -> None:
    """Let anything become of what is read."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is to be predicted.

    Attributes:
        readers: one a view, made with the model's halo.
        boxes: of each view, the part of each frame shown to the network; None = all of it.
        batch_size: frames the readers put into a batch.
        unchanged: is called with the numbers of frames before their rows are kept; raises where
            what they were read from is not what it was.

    Raises:
        DataError: boxes are no boxes, or do not suit the videos.
    """

    readers: tuple[VideoReader, ...]
    boxes: tuple[Int[np.ndarray, " _ 4"] | None, ...]
    batch_size: int
    unchanged: Callable[[Int[np.ndarray, " n"]], None] = not_watched

    def __post_init__(self) -> None:
        for reader, boxes in zip(self.readers, self.boxes, strict=True):
            if boxes is not None:
                info = reader.info
                check_boxes(boxes, name=info.path.name)
                check_boxes_show(boxes, (info.height, info.width), name=info.path.name)

    def segments(self) -> tuple[Segment, ...]:
        """Return parts that all views can be read in; none where they must be read as a whole."""
        first = self.readers[0]
        if not all(isinstance(reader, SegmentReader) for reader in self.readers):
            return ()
        lengths = {
            reader.segments[-1].stop if reader.segments else 0
            for reader in self.readers
            if isinstance(reader, SegmentReader)
        }
        counts = lengths | {len(boxes) for boxes in self.boxes if boxes is not None}
        return first.segments if len(counts) == 1 and isinstance(first, SegmentReader) else ()

    def read(self, segments: Sequence[Segment]) -> Generator[Views]:
        """Yield the batches of consecutive segments, or of everything if there are none."""
        if not segments:
            return in_step(self.readers, boxes=self.box_tensors)
        return parts_in_step(
            [reader for reader in self.readers if isinstance(reader, SegmentReader)], segments
        )

    @property
    def box_tensors(self) -> list[Tensor | None]:
        """Return the boxes as tensors."""
        return [
            None if boxes is None else torch.from_numpy(boxes.astype(np.int64))
            for boxes in self.boxes
        ]


class Work:
    """A source on its way through the engine.

    Decoding threads take stretches of it (:meth:`next_stretch`); the thread that runs the pipeline
    hands in results (:meth:`take`). A segment is put into the store once all of it is there.

    Args:
        source: what is read.
        store: where rows are kept; what it holds already is not read again.
        calibrate: what confidences go through before they are kept.

    Attributes:
        attempt: how often reading has begun anew; results of an earlier attempt do not count.
        setback: why it has; None = it has not.
        decoding: stretches that are being read.
        taken: frames predicted so far, those of earlier calls included.
        kept: of these, those of earlier calls.
        waited_s: seconds the network waited until a batch came, and it was of this work.
        failed: why it cannot be predicted; None = it can, or was.
    """

    def __init__(
        self, source: Source, store: RowStore, *, calibrate: Calibrate | None = None
    ) -> None:
        self.source = source
        self._calibrate = calibrate
        self.store = store
        self.boxes = source.box_tensors
        self.started = time.perf_counter()
        self.waited_s = 0.0
        self.failed: LitposeError | None = None
        self.attempt = 0
        self.setback: str | None = None
        self._begin(() if store.as_a_whole else source.segments())

    def begin_as_a_whole(self, error: DamagedError) -> None:
        """Forget all results, and have the source read from its beginning to its end.

        Args:
            error: why a part of it could not be had.
        """
        self.store.clear(as_a_whole=True)
        self.attempt += 1
        self.setback = str(error)  # not with what its traceback keeps
        self._begin(())

    def _begin(self, segments: tuple[Segment, ...]) -> None:
        self.segments = segments
        self.decoding = 0
        self.taken = self.kept = self.store.num_rows
        self._starts = [segment.start for segment in segments]
        self._missing = [part for part in segments if not self.store.has(part.start, part.stop)]
        self._to_read = True
        self._held: dict[int, list[Prediction]] = {}

    @property
    def total(self) -> int | None:
        """Return how many frames are expected; None = nothing tells."""
        if self.segments:
            return self.segments[-1].stop
        return self.source.readers[0].info.approximate_frames

    @property
    def all_taken(self) -> bool:
        """Return whether decoding threads have taken all there is to read."""
        return not (self._missing if self.segments else self._to_read)

    def next_stretch(self, readers: int) -> tuple[Segment, ...]:
        """Return consecutive segments to be read in one go; none = everything.

        Args:
            readers: threads that read; the last of them should end together.
        """
        self._to_read = False
        length = max(1, len(self._missing) // max(1, readers))
        stretch = [self._missing.pop(0)] if self._missing else []
        while self._missing and self._missing[0].start == stretch[-1].stop:
            if len(stretch) >= length and self._missing[0].entry:
                break
            stretch.append(self._missing.pop(0))
        return tuple(stretch)

    def has(self, views: Views) -> bool:
        """Tell whether the store holds all frames of a batch."""
        ids = views[0].frame_ids
        return self.store.has(int(ids[0]), int(ids[-1]) + 1)

    def take(self, result: Prediction) -> None:
        """Take the results of a batch; put them into the store once their segment is whole."""
        self.taken += len(result.frame_ids)
        place = bisect_right(self._starts, int(result.frame_ids[0])) - 1 if self._starts else 0
        held = self._held.setdefault(place, [])
        held.append(result)
        length = len(self.segments[place]) if self._starts else SEGMENT_FRAMES
        if sum(len(part.frame_ids) for part in held) >= length:
            self._put(place)

    def finish(self) -> None:
        """Put what is left into the store, and check that all frames are there.

        Raises:
            VideoError: a frame is missing or was predicted twice.
        """
        for place in list(self._held):
            self._put(place)
        frames = self.segments[-1].stop if self.segments else self.source.readers[0].num_frames
        if frames is not None:
            self.store.check_complete(frames)

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the files, one sentence each."""
        return tuple(problem for reader in self.source.readers for problem in reader.problems)

    def _put(self, place: int) -> None:
        parts = sorted(self._held.pop(place), key=lambda part: int(part.frame_ids[0]))
        frame_ids = np.concatenate([part.frame_ids for part in parts])
        self.source.unchanged(frame_ids)
        new = np.ones(len(frame_ids), dtype=bool)
        if self.kept:  # from a call with batches of another size, perhaps: a part of one
            new = self.store.lacks(frame_ids)
        confidence = np.concatenate([part.confidence for part in parts])[new]
        self.store.add(
            frame_ids[new],
            np.concatenate([part.xy_img for part in parts])[new],
            self._calibrate(confidence) if self._calibrate else confidence,
        )
