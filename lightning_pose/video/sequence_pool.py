"""Sequences from many videos, read side by side by several threads, with few files open."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from lightning_pose.video.random_access import SequenceReader

# Files that stay open between reads. FFmpeg keeps 100 bytes for each frame of an open MP4.
_OPEN_AT_MOST = 16
_FRAMES_OPEN_AT_MOST = 8_000_000
_HELD_BYTES = 512 * 2**20


class SequencePool:
    """Reads sequences from any of several videos; safe to be used by several threads.

    Every video is looked at once, when the pool is made: a broken one is told of at once. Videos
    that take no more than half a gigabyte together, decoded, are decoded once and held: a sequence
    costs the decoder all frames since the last key frame, often a hundred and more.

    Args:
        videos: the files.

    Raises:
        VideoError: a video cannot be read; the message names it.
    """

    def __init__(self, videos: Sequence[Path]) -> None:
        self._readers = [SequenceReader(video) for video in videos]
        for reader in self._readers:
            reader.close()
        self._idle: list[tuple[int, SequenceReader]] = []
        self._replaced = [0] * len(videos)
        self._lock = threading.Lock()
        decoded = sum(3 * math.prod(self.frame_size(v)) * self.num_frames(v) for v in self._videos)
        self._holds = decoded <= _HELD_BYTES
        self._held: dict[int, UInt8[np.ndarray, "n height width 3"]] = {}
        self._on_gpu: dict[tuple[int, torch.device], UInt8[Tensor, "n height width 3"]] = {}
        self._decoding = [threading.Lock() for _ in videos]

    @property
    def _videos(self) -> range:
        return range(len(self._readers))

    def num_frames(self, video: int) -> int:
        """Return how many frames a video holds."""
        return self._readers[video].num_frames

    def frame_size(self, video: int) -> tuple[int, int]:
        """Return height and width of a video, in pixels, as shown."""
        info = self._readers[video].info
        return info.height, info.width

    def is_exact(self, video: int) -> bool:
        """Tell whether frame numbers of a video are certain (see :class:`SequenceReader`)."""
        return self._readers[video].exact

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the videos as far as is known, one sentence each."""
        return tuple(_problems(self._readers, self._replaced))

    def read(
        self, video: int, start: int, count: int
    ) -> UInt8[np.ndarray, "count height width 3"]:
        """Return ``count`` frames of a video from ``start`` on (see :class:`SequenceReader`).

        They may be a view of frames that are held: not to be written to.
        """
        if self._holds and 0 <= start <= start + count <= self.num_frames(video):
            return self._whole(video)[start : start + count]
        return self._read(video, start, count)

    def held_on(
        self, device: torch.device, video: int
    ) -> UInt8[Tensor, "n height width 3"] | None:
        """Return all frames of a video that is held, kept on ``device`` too, as bytes; else None.

        To be called by one thread only; the first time it waits for the copy.
        """
        if not self._holds:
            return None
        if (video, device) not in self._on_gpu:
            self._on_gpu[video, device] = torch.from_numpy(self._whole(video)).to(device)
        return self._on_gpu[video, device]

    def _whole(self, video: int) -> UInt8[np.ndarray, "n height width 3"]:
        """Return all frames of a video, decoded by whoever asks first while others wait."""
        with self._decoding[video]:
            if video not in self._held:
                self._held[video] = self._read(video, 0, self.num_frames(video))
            return self._held[video]

    def _read(
        self, video: int, start: int, count: int
    ) -> UInt8[np.ndarray, "count height width 3"]:
        reader = self._take(video)
        try:
            return reader.read(start, count)
        finally:
            self._give_back(video, reader)

    def _take(self, video: int) -> SequenceReader:
        with self._lock:
            for place, (number, reader) in enumerate(self._idle):
                if number == video:
                    del self._idle[place]
                    return reader
        return self._readers[video].another()

    def _give_back(self, video: int, reader: SequenceReader) -> None:
        with self._lock:
            self._replaced[video] += reader.num_replaced
            reader.num_replaced = 0
            self._idle.append((video, reader))
            dropped = [self._idle.pop(0)[1] for _ in range(self._too_many())]
        for old in dropped:
            old.close()

    def _too_many(self) -> int:
        """Return how many of the readers longest idle are to be closed; the last one stays."""
        frames = list(itertools.accumulate(reader.num_frames for _, reader in self._idle[::-1]))
        kept = sum(total <= _FRAMES_OPEN_AT_MOST for total in frames[:_OPEN_AT_MOST])
        return len(self._idle) - max(kept, 1)


def _problems(readers: Sequence[SequenceReader], replaced: Sequence[int]) -> list[str]:
    found: list[str] = []
    for reader, number in zip(readers, replaced, strict=True):
        path = reader.info.path
        found += [f"{path}: {problem}" for problem in reader.info.problems]
        if number:
            found.append(
                f"{path}: frames that could not be decoded were replaced by the one before, "
                f"{number} times."
            )
    return found
