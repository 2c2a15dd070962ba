"""Reading a few consecutive frames anywhere in a video, without decoding what lies before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from av.error import FFmpegError
from jaxtyping import UInt8

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video.container_frames import ContainerFrames
from lightning_pose.video.frame_index import index_frames
from lightning_pose.video.info import VideoInfo, open_video, probe
from lightning_pose.video.sample_frames import SampleFrames
from lightning_pose.video.sample_table import SampleTable


class SequenceReader:
    """Reads sequences of frames at random places; the file stays open between them.

    Memory holds one sequence, and of the file its key frames' places, or of an MP4 24 bytes a
    frame, which all readers of it share. Not to be used from two threads at once: take
    :meth:`another` for each.

    Where the file is damaged, a frame that cannot be decoded is replaced by the one before it
    (players freeze there), and numbers count such frames; elsewhere they are those of
    :class:`~lightning_pose.video.decode.Decoder`.

    Args:
        path: the video.

    Attributes:
        info: what the header says.
        num_replaced: how many frames were replaced so far.

    Raises:
        VideoError: see :func:`~lightning_pose.video.info.probe`.
    """

    def __init__(self, path: Path | str) -> None:
        self._first_stamp = _stamp(Path(path))
        self.info = probe(path)
        self.num_replaced = 0
        self._source = _source(self.info)

    @property
    def num_frames(self) -> int:
        """Return how many frames the file holds."""
        return self._source.num_frames

    @property
    def exact(self) -> bool:
        """Return whether numbers are certain: counted, not derived from a mean frame rate."""
        return self._source.exact

    def another(self) -> SequenceReader:
        """Return a second reader of the file, made without looking for its frames again.

        Raises:
            VideoError: the file is no longer the one that was looked at first.
        """
        self._check_unchanged()
        other = object.__new__(SequenceReader)
        other._first_stamp, other.info, other.num_replaced = self._first_stamp, self.info, 0
        other._source = self._source.another()
        return other

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def read(self, start: int, count: int) -> UInt8[np.ndarray, "count height width 3"]:
        """Return the frames ``start`` to ``start + count - 1`` as shown, RGB.

        Raises:
            VideoError: the video has no such frames, none of them can be decoded, or the file is
                no longer the one that was opened.
        """
        if start < 0 or count < 1 or start + count > self.num_frames:
            raise VideoError(
                f"{self.info.path} has the frames 0 to {self.num_frames - 1}; {start} to "
                f"{start + count - 1} were asked for."
            )
        self._check_unchanged()
        try:
            found = self._source.find(start, count)
        except (FFmpegError, OSError) as error:
            self._check_unchanged()
            raise VideoError(
                f"{self.info.path} cannot be read near frame {start}: {error.strerror or error}."
            ) from error
        self._check_unchanged()
        frames = found.without_gaps(self.info)
        self.num_replaced += sum(row not in found for row in range(count))
        return frames

    def _check_unchanged(self) -> None:
        """Raise VideoError if the file was deleted, replaced or written to."""
        now = _stamp(self.info.path)
        if now == self._first_stamp:
            return
        what = "is no longer there" if now is None else "has changed"
        raise VideoError(
            f"{self.info.path} {what}: it was read from before, and other frames would now take "
            "the place of those that were there. Put the file back as it was, or start anew."
        )


def _source(info: VideoInfo) -> SampleFrames | ContainerFrames:
    with open_video(info.path) as (container, stream):
        index = index_frames(container, stream, info.path)
    if isinstance(index, SampleTable):
        return SampleFrames(info.path, index, info.orientation)
    return ContainerFrames(info.path, index, info.orientation)


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return size and time of the last change of a file, in ns; None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
