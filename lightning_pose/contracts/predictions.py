"""The prediction table, and its csv, h5 and parquet files.

Three header rows ``scorer / bodyparts / coords`` with coords x, y, likelihood, as DeepLabCut
writes them; further coords (``litpose smooth`` has some) are passed over in reading. Videos are
indexed by frame number; labelled sets by image path, with a last column ``("set", "", "")``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from lightning_pose.contracts.csv_tables import CsvBlock, write_csv_table
from lightning_pose.contracts.errors import DataError, VideoError
from lightning_pose.contracts.table_files import READERS, SCORER, write_table

SETS = ("train", "validation", "test", "unused")
COORDS = ("x", "y", "likelihood")


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a tracker says of one batch.

    Attributes:
        xy_img: pixels of the original image.
        confidence: 0..1; NaN = the tracker cannot tell.
        frame_ids: frame numbers, or rows of the label table.
    """

    xy_img: Float[np.ndarray, "n k 2"]
    confidence: Float[np.ndarray, "n k"]
    frame_ids: Int[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Keypoints of a whole video or a whole labelled set.

    Attributes:
        xy_img: pixels of the original image or video frame.
        confidence: 0..1; NaN = unknown.
        keypoint_names: in column order.
        frame_ids: 0-based frame numbers (videos) or row numbers (labelled sets).
        images: image paths of a labelled set; empty for a video.
        sets: part each image belongs to (train, validation, test, unused); empty for a video.
        source: what was predicted (video or csv).
        run_id: which run made the model.
    """

    xy_img: Float[np.ndarray, "n k 2"]
    confidence: Float[np.ndarray, "n k"]
    keypoint_names: tuple[str, ...]
    frame_ids: Int[np.ndarray, " n"]
    images: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    source: str = ""
    run_id: str = ""

    def __post_init__(self) -> None:
        n, k = len(self.frame_ids), len(self.keypoint_names)
        if self.xy_img.shape != (n, k, 2) or self.confidence.shape != (n, k):
            raise DataError(
                f"Predictions of {n} frames and {k} keypoints need coordinates of shape "
                f"{(n, k, 2)} and confidences of shape {(n, k)}, got {self.xy_img.shape} and "
                f"{self.confidence.shape}."
            )
        if self.images and len(self.images) != n:
            raise DataError(f"There are {len(self.images)} image names for {n} predicted frames.")

    def __len__(self) -> int:
        return len(self.frame_ids)

    @classmethod
    def from_batches(
        cls,
        batches: Iterable[Prediction],
        *,
        keypoint_names: Sequence[str],
        num_frames: int | None = None,
        source: str = "",
        run_id: str = "",
    ) -> Predictions:
        """Return one table from predicted batches, ordered by frame number.

        Args:
            batches: in any order.
            keypoint_names: in column order.
            num_frames: how many frames there must be, 0 to num_frames - 1; None = not checked.
            source: what was predicted.
            run_id: which run made the model.

        Raises:
            VideoError: a frame is missing or was predicted twice.
        """
        parts = list(batches)
        k = len(keypoint_names)
        ids = np.concatenate([p.frame_ids for p in parts] or [np.zeros(0, dtype=np.int64)]).astype(
            np.int64
        )
        xy = np.concatenate([p.xy_img for p in parts] or [np.zeros((0, k, 2), dtype=np.float32)])
        confidence = np.concatenate(
            [p.confidence for p in parts] or [np.zeros((0, k), dtype=np.float32)]
        )
        order = np.argsort(ids, kind="stable")
        _check_frames(ids[order], num_frames, source)
        return cls(
            xy_img=xy[order],
            confidence=confidence[order],
            keypoint_names=tuple(keypoint_names),
            frame_ids=ids[order],
            source=source,
            run_id=run_id,
        )

    def with_images(self, images: Sequence[str], sets: Sequence[str]) -> Predictions:
        """Return the predictions of a labelled set, with image names and parts."""
        return replace(self, images=tuple(images), sets=tuple(sets))

    def rows(self, keep: Shaped[np.ndarray, " m"] | range) -> Predictions:
        """Return the table of the rows in ``keep`` (indices or a mask)."""
        index = np.asarray(keep)
        index = np.flatnonzero(index) if index.dtype == bool else index
        return replace(
            self,
            xy_img=self.xy_img[index],
            confidence=self.confidence[index],
            frame_ids=self.frame_ids[index],
            images=tuple(self.images[i] for i in index) if self.images else (),
            sets=tuple(self.sets[i] for i in index) if self.sets else (),
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the table with the three-level header."""
        columns = pd.MultiIndex.from_product(
            [[SCORER], self.keypoint_names, COORDS],
            names=["scorer", "bodyparts", "coords"],
        )
        index = pd.Index(self.images, dtype=object) if self.images else pd.Index(self.frame_ids)
        frame = pd.DataFrame(self.values_by_column(), index=index, columns=columns)
        if self.sets:
            frame[("set", "", "")] = list(self.sets)
        return frame

    def values_by_column(self) -> Float[np.ndarray, "n c"]:
        """Return x, y and confidence of the first keypoint, of the second, ..., side by side."""
        parts = [self.xy_img, self.confidence[..., None]]
        return np.concatenate(parts, axis=-1).reshape(len(self), 3 * len(self.keypoint_names))

    def write(self, path: Path) -> Path:
        """Write csv, h5 or parquet, by the suffix, under a temporary name first; return ``path``.

        Raises:
            WriteError: the file cannot be written (a full disk, say).
        """
        if path.suffix == ".csv":
            return write_predictions_csv(path, [self])
        return write_table(self.to_frame(), path)

    def to_csv(self, path: Path) -> Path:
        """Write the csv (see :meth:`write`)."""
        return self.write(path)

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Return the predictions in a csv, h5 or parquet file.

        Raises:
            DataError: the file is missing or holds no prediction table.
        """
        reader = READERS.get(path.suffix)
        if reader is None:
            raise DataError(f"{path}: predictions are read from {', '.join(READERS)} files.")
        try:
            frame = reader(path)
            return _from_frame(frame, source=str(path))
        except FileNotFoundError as error:
            raise DataError(f"{path}: there is no such predictions file.") from error
        except (ValueError, KeyError, IndexError) as error:
            raise DataError(
                f"{path} is not a predictions table (three header rows scorer, bodyparts, coords; "
                f"coords x, y, likelihood): {error}"
            ) from error

    @classmethod
    def from_csv(cls, path: Path) -> Predictions:
        """Return the predictions in a csv (see :meth:`read`)."""
        return cls.read(path)


def write_predictions_csv(path: Path, parts: Iterable[Predictions]) -> Path:
    """Write the csv of a table that comes in parts, one after the other; return ``path``.

    Args:
        path: of the file.
        parts: consecutive rows, at least one part.

    Raises:
        WriteError: the file cannot be written (a full disk, say).
    """
    following = iter(parts)
    first = next(following)
    names = first.keypoint_names
    end, empty = (["set"], [""]) if first.sets else ([], [])
    header = [
        ["scorer", *[SCORER] * (3 * len(names)), *end],
        ["bodyparts", *(name for name in names for _ in range(3)), *empty],
        ["coords", *["x", "y", "likelihood"] * len(names), *empty],
    ]
    return write_csv_table(path, header, map(_block, itertools.chain([first], following)))


def _block(part: Predictions) -> CsvBlock:
    return CsvBlock(
        index=part.images or part.frame_ids, values=part.values_by_column(), ending=part.sets
    )


def _check_frames(ids: Int[np.ndarray, " n"], num_frames: int | None, source: str) -> None:
    twice = ids[:-1][np.diff(ids) == 0]
    if twice.size:
        raise VideoError(
            f"{source}: frame {int(twice[0])} was predicted twice; this is a fault of the reader."
        )
    if num_frames is None:
        return
    if len(ids) != num_frames or (num_frames and (ids[0] != 0 or ids[-1] != num_frames - 1)):
        missing = sorted(set(range(num_frames)) - set(ids.tolist()))[:5]
        raise VideoError(
            f"{source}: {len(ids)} frames were predicted where the video has {num_frames}"
            + (f"; first missing: {missing}." if missing else ".")
        )


def _from_frame(frame: pd.DataFrame, *, source: str) -> Predictions:
    is_set = np.array([c[0] == "set" for c in frame.columns], dtype=bool)
    is_point = np.array([c[-1] in COORDS for c in frame.columns], dtype=bool)
    points = frame.loc[:, is_point & ~is_set]
    if points.shape[1] % 3 or not points.shape[1]:
        raise ValueError(f"{points.shape[1]} coordinate columns are no multiple of three")
    names = tuple(dict.fromkeys(str(c[1]) for c in points.columns))
    values = points.to_numpy(dtype=np.float64).reshape(len(frame), len(names), 3)
    infinite = np.flatnonzero(np.isinf(values).any(axis=(1, 2)))
    if len(infinite):
        raise ValueError(f"row {frame.index.tolist()[infinite[0]]} holds an infinite number")
    numeric = pd.api.types.is_integer_dtype(frame.index)
    images = () if numeric else tuple(str(i) for i in frame.index)
    return Predictions(
        xy_img=values[..., :2],
        confidence=values[..., 2],
        keypoint_names=names,
        frame_ids=frame.index.to_numpy(dtype=np.int64) if numeric else np.arange(len(frame)),
        images=images,
        sets=tuple(str(s) for s in frame.loc[:, is_set].iloc[:, 0]) if is_set.any() else (),
        source=source,
    )
