"""Seeing to it that what is predicted stays what it was when its identity was found out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from lightning_pose.contracts.errors import UnreadableError, VideoError
from lightning_pose.contracts.files import sampled_sha256


class _Stamp(NamedTuple):
    device: int
    inode: int
    size: int
    mtime_ns: int


class Watch:
    """The files that the predictions of a session hang on, as they were at first.

    Whether a file is still the same is told by its number, size and time of change, which costs
    nothing; where those are others, by the fingerprint of its content. That is one of samples of a
    large file, in which a small change may go unnoticed.

    Args:
        sources: of each view the video, or one file a frame, or whatever else it is made of.
        boxes: the files of boxes.

    Attributes:
        sources: the fingerprint of each view.
        boxes: of each file of boxes.

    Raises:
        UnreadableError: a file is gone or may not be read.
    """

    def __init__(self, sources: Sequence[Sequence[Path]], boxes: Sequence[Path]) -> None:
        self._sources = [tuple(files) for files in sources]
        self._boxes = tuple(boxes)
        every = list(dict.fromkeys(chain(*self._sources, self._boxes)))
        # First: what is changed meanwhile is another later.
        self._stamps = {path: _stamp(path) for path in every}
        self._found = {path: _fingerprint(path) for path in every}
        self.sources = [_joined([self._found[path] for path in files]) for files in self._sources]
        self.boxes = [self._found[path] for path in self._boxes]

    def check(self, frame_ids: Int[np.ndarray, " n"] | None = None) -> None:
        """Check that all files are the same.

        Args:
            frame_ids: of several files, one a frame, only these are looked at; None = all.

        Raises:
            VideoError: one was written to, or replaced, meanwhile.
            UnreadableError: one cannot be looked at.
        """
        for path in chain(*(_some(files, frame_ids) for files in self._sources), self._boxes):
            now = _stamp(path)
            if now != self._stamps[path]:
                self._check_content(path)
                self._stamps[path] = now

    def check_content(self) -> None:
        """Check that all files hold what they held.

        Raises:
            VideoError, UnreadableError: as :meth:`check` does.
        """
        for path in self._found:
            self._check_content(path)

    def _check_content(self, path: Path) -> None:
        if _fingerprint(path) != self._found[path]:
            raise VideoError(
                f"{path} was changed while it was predicted; nothing of it is kept. Predict it "
                "again once it stays as it is."
            )


def _some(files: Sequence[Path], frame_ids: Int[np.ndarray, " n"] | None) -> Sequence[Path]:
    if frame_ids is None or len(files) == 1:
        return files
    return [files[number] for number in frame_ids.tolist()]


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError as error:
        raise _not_read(error) from error
    return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _fingerprint(path: Path) -> str:
    try:
        return sampled_sha256(path)
    except OSError as error:
        raise _not_read(error) from error


def _joined(fingerprints: Sequence[str]) -> str:
    """Return one fingerprint of several: of one that one."""
    if len(fingerprints) == 1:
        return fingerprints[0]
    return hashlib.sha256("\n".join(fingerprints).encode()).hexdigest()


def _not_read(error: OSError) -> UnreadableError:
    return UnreadableError(f"{error.filename} cannot be read: {error.strerror or error}.")
