"""Predicted rows on their way to the files of a result, kept where a kill does not reach them."""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from lightning_pose.contracts.errors import VideoError, WriteError
from lightning_pose.contracts.files import why_not_written
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.frame_runs import Run, first_missing

_FORMATS = {False: "litpose rows 1", True: "litpose rows 1 as a whole"}
_SALT = np.uint32(0x6C697470)  # so that a block of zeros is no row
# Words of a row: two of the frame's number, one of the check, one of how many rows follow that
# were added with it; then the values.
_CHECK, _FOLLOWING, _FIRST_VALUE = 2, 3, 4
_AT_ONCE = 4096  # rows read at a time when a file is taken up


class RowStore:
    """Predicted rows of one session (all views side by side), kept in a file until all are there.

    The file is a line that says what is in it, then one record of fixed size a row, each with a
    check sum. An existing file with the same first line is taken up: rows count that were added
    together and are all whole, up to the first that are not; what follows is cut off. With another
    first line it begins anew. The line says also how frames are numbered: by the index of the
    video, or as they are decoded from its beginning, which in a damaged one is not the same.

    Args:
        path: the file; None = in memory.
        key: of video, model, code and settings (:mod:`~lightning_pose.inference.result_key`).
        keypoint_names: of one view, in column order.
        num_views: cameras whose keypoints lie side by side.
        run_id: which run made the model.

    Attributes:
        as_a_whole: whether frames have the numbers they get when the video is read as a whole.

    Raises:
        WriteError: the file cannot be written.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        key: str,
        keypoint_names: Sequence[str],
        num_views: int = 1,
        run_id: str = "",
    ) -> None:
        self.path = path
        self.keypoint_names = tuple(keypoint_names)
        self.num_views = num_views
        self.run_id = run_id
        about = {"key": key, "keypoints": self.keypoint_names, "views": num_views}
        self.as_a_whole = False
        self._headers = {
            whole: f"{name} {json.dumps(about)}\n".encode() for whole, name in _FORMATS.items()
        }
        self._words = _FIRST_VALUE + 3 * num_views * len(self.keypoint_names)
        self._runs: list[Run] = []
        self._num_rows = 0
        try:
            self._file = io.BytesIO() if path is None else _opened(path)
            self._take_up()
        except OSError as error:
            raise self._not_written(error) from error

    @staticmethod
    def key_at(path: Path) -> str:
        """Return the key of the rows in a file; an empty text if there are none."""
        try:
            with path.open("rb") as file:
                first = file.readline()
            return str(json.loads(first[first.index(b"{") :])["key"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    @property
    def num_rows(self) -> int:
        """Return how many rows there are."""
        return self._num_rows

    def has(self, start: int, stop: int) -> bool:
        """Tell whether all frames of [start, stop) are there."""
        for run in self._in_order():
            if run.start > start:
                break
            start = max(start, run.stop)
        return start >= stop

    def lacks(self, frame_ids: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Tell of each frame whether it is not there."""
        runs = [Run(-1, -1, 0), *self._in_order()]
        starts, stops = np.array([(run.start, run.stop) for run in runs]).T
        return frame_ids >= stops[np.searchsorted(starts, frame_ids, side="right") - 1]

    def add(
        self,
        frame_ids: Int[np.ndarray, " n"],
        xy_img: Float[np.ndarray, "n k 2"],
        confidence: Float[np.ndarray, "n k"],
    ) -> None:
        """Append rows, of which another process finds all or none if this one is killed.

        Args:
            frame_ids: 0-based frame numbers, in any order.
            xy_img: pixels of the original image; the keypoints of the first view, then the next's.
            confidence: 0..1; NaN = unknown.

        Raises:
            WriteError: the file cannot be written (a full disk, say).
        """
        words = np.empty((len(frame_ids), self._words), dtype="<u4")
        words[:, :2] = frame_ids.astype("<i8")[:, None].view("<u4")
        values = np.concatenate([xy_img, confidence[..., None]], axis=-1)
        width = self._words - _FIRST_VALUE
        values = np.ascontiguousarray(values.reshape(len(frame_ids), width), dtype="<f4")
        words[:, _FIRST_VALUE:] = values.view("<u4")
        words[:, _FOLLOWING] = np.arange(len(words))[::-1]
        words[:, _CHECK] = _checks(words)
        try:
            self._file.seek(self._position(self._num_rows))
            rest = memoryview(words.tobytes())
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._not_written(error) from error
        self._note(np.asarray(frame_ids, dtype=np.int64))

    def clear(self, *, as_a_whole: bool = False) -> None:
        """Forget all rows.

        Args:
            as_a_whole: how frames are numbered from now on.

        Raises:
            WriteError: the file cannot be written.
        """
        try:
            self._begin_anew(as_a_whole)
        except OSError as error:
            raise self._not_written(error) from error

    def views(self, start: int = 0, stop: int | None = None) -> list[Predictions]:
        """Return the rows of the frames in [start, stop), a table a view, in order of frames."""
        runs = self._in_order()
        last = max((run.stop for run in runs), default=0)
        stop = last if stop is None else stop
        asked = (run for run in runs if max(run.start, start) < min(run.stop, stop))
        parts = [self._read(run, start, stop) for run in asked]
        rows = np.concatenate(parts or [np.zeros((0, self._words), dtype="<u4")])
        frame_ids = _frame_ids(rows)
        k = len(self.keypoint_names)
        values = np.ascontiguousarray(rows[:, _FIRST_VALUE:]).view("<f4").astype(np.float32)
        values = values.reshape(len(rows), self.num_views, k, 3)
        return [
            Predictions(
                xy_img=values[:, view, :, :2],
                confidence=values[:, view, :, 2],
                keypoint_names=self.keypoint_names,
                frame_ids=frame_ids,
                run_id=self.run_id,
            )
            for view in range(self.num_views)
        ]

    def check_complete(self, num_frames: int) -> None:
        """Check that each frame from 0 to ``num_frames`` - 1 is there exactly once.

        Raises:
            VideoError: one is missing, was predicted twice, or is not in the video.
        """
        runs = self._in_order()
        for before, run in itertools.pairwise(runs):
            if run.start < before.stop:
                raise VideoError(
                    f"Frame {run.start} was predicted twice; this is a fault of the reader."
                )
        if self.num_rows == num_frames and self.has(0, num_frames):
            return
        missing = first_missing(runs, num_frames)
        raise VideoError(
            f"{self.num_rows} frames were predicted where the video has {num_frames}"
            + (f"; first missing: {missing}." if missing else ".")
        )

    def close(self) -> None:
        """Close the file, which stays."""
        self._file.close()

    def delete(self) -> None:
        """Close the file and delete it."""
        self.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _take_up(self) -> None:
        """Find the rows in the file; begin anew if it was begun for something else."""
        self._file.seek(0)
        begun = self._file.read(max(map(len, self._headers.values())))
        found = [whole for whole, header in self._headers.items() if begun.startswith(header)]
        if not found:
            self._begin_anew(as_a_whole=False)
            return
        self.as_a_whole = found[0]
        seen, loose = 0, np.zeros(0, dtype=np.int64)  # rows whose last companion is to come
        while True:
            words = self._read_rows(seen, _AT_ONCE)
            good = words[:, _CHECK] == _checks(words)
            whole = words if good.all() else words[: int(np.argmin(good))]
            loose = np.concatenate([loose, _frame_ids(whole)])
            rest = len(whole) - 1 - int(np.flatnonzero(whole[:, _FOLLOWING] == 0).max(initial=-1))
            if rest < len(whole):
                self._note(loose[: len(loose) - rest])
                loose = loose[len(loose) - rest :]
            seen += len(whole)
            if len(whole) < _AT_ONCE:
                break
        self._file.truncate(self._position(self._num_rows))

    def _begin_anew(self, as_a_whole: bool) -> None:
        self._runs, self._num_rows, self.as_a_whole = [], 0, as_a_whole
        self._file.seek(0)
        self._file.truncate()
        self._file.write(self._headers[as_a_whole])

    def _note(self, frame_ids: Int[np.ndarray, " n"]) -> None:
        """Remember where the rows lie that were just found at the end."""
        if not len(frame_ids):
            return
        cuts = np.flatnonzero(np.diff(frame_ids) != 1) + 1
        edges = [0, *cuts.tolist(), len(frame_ids)]
        for first, end in itertools.pairwise(edges):
            start, row = int(frame_ids[first]), self._num_rows + first
            last = self._runs[-1] if self._runs else None
            if last is not None and last.stop == start:  # it lies right before, in the file too
                self._runs[-1] = Run(last.start, start + end - first, last.row)
            else:
                self._runs.append(Run(start, start + end - first, row))
        self._num_rows += len(frame_ids)

    def _in_order(self) -> list[Run]:
        return sorted(self._runs, key=attrgetter("start"))

    def _read(self, run: Run, start: int, stop: int) -> UInt32[np.ndarray, "n words"]:
        first, end = max(run.start, start), min(run.stop, stop)
        rows = self._read_rows(run.row + first - run.start, end - first)
        if not np.array_equal(_frame_ids(rows), np.arange(first, end)):
            raise WriteError(
                f"{self.path} was changed while it was in use, by another worker on a disk "
                "without locks perhaps. Delete it and predict again."
            )
        return rows

    def _read_rows(self, row: int, count: int) -> UInt32[np.ndarray, "n words"]:
        """Return up to ``count`` rows; fewer at the end of the file."""
        self._file.seek(self._position(row))
        found = b""
        while part := self._file.read(count * self._words * 4 - len(found)):  # 2 GB at most
            found += part
        whole = len(found) // (self._words * 4)
        return np.frombuffer(found, dtype="<u4", count=whole * self._words).reshape(
            whole, self._words
        )

    def _position(self, row: int) -> int:
        return len(self._headers[self.as_a_whole]) + row * self._words * 4

    def _not_written(self, error: OSError) -> WriteError:
        return WriteError(why_not_written(self.path or Path("memory"), error))


def _opened(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)


def _frame_ids(words: UInt32[np.ndarray, "n words"]) -> Int[np.ndarray, " n"]:
    return np.ascontiguousarray(words[:, :2]).view("<i8")[:, 0].astype(np.int64)


def _checks(words: UInt32[np.ndarray, "n words"]) -> UInt32[np.ndarray, " n"]:
    """Return the check of each row: the sum of its other words."""
    total = words.sum(axis=1, dtype=np.uint32) - words[:, _CHECK]
    return total + _SALT
