"""The table a metric makes: one row a frame, one column a keypoint."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float

from lightning_pose.contracts.csv_tables import CsvBlock, write_csv_table
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import Predictions


@dataclass(frozen=True, kw_only=True)
class MetricTable:
    """Values of one metric.

    Attributes:
        name: registry name of the metric, used in file names.
        unit: "px", "" ...
        values: NaN = not defined for that frame and keypoint.
        keypoint_names: in column order.
        index: frame numbers or image paths.
        sets: part of each image; empty for a video.
    """

    name: str
    unit: str
    values: Float[np.ndarray, "n k"]
    keypoint_names: tuple[str, ...]
    index: tuple[int | str, ...]
    sets: tuple[str, ...] = ()

    def to_csv(self, path: Path) -> Path:
        """Write one column a keypoint, last column ``set`` for labelled sets; return ``path``."""
        return write_metric_csv(path, [self])

    @classmethod
    def from_csv(cls, path: Path, *, name: str, unit: str = "") -> MetricTable:
        """Return the table that :meth:`to_csv` wrote.

        Args:
            path: of the csv.
            name: of the metric, which the file does not hold.
            unit: likewise.

        Raises:
            DataError: it is missing or no such table.
        """
        try:
            frame = pd.read_csv(path, index_col=0)
            sets = [str(part) for part in frame.pop("set")] if "set" in frame else []
            return cls(
                name=name,
                unit=unit,
                values=frame.to_numpy(dtype=np.float64),
                keypoint_names=tuple(str(column) for column in frame.columns),
                index=tuple(frame.index),
                sets=tuple(sets),
            )
        except (OSError, ValueError) as error:
            raise DataError(f"{path} is no table of a metric: {error}") from error


def write_metric_csv(path: Path, parts: Iterable[MetricTable]) -> Path:
    """Write the csv of a table that comes in parts, one after the other; return ``path``.

    Numbers have the digits of a 32-bit float, as the predictions they come from have.

    Args:
        path: of the file.
        parts: consecutive rows, at least one part.

    Raises:
        WriteError: the file cannot be written (a full disk, say).
    """
    following = iter(parts)
    first = next(following)
    header = ["", *first.keypoint_names, *(["set"] if first.sets else [])]
    return write_csv_table(path, [header], map(_block, itertools.chain([first], following)))


def _block(part: MetricTable) -> CsvBlock:
    numbers = not part.index or isinstance(part.index[0], int)
    return CsvBlock(
        index=np.array(part.index, dtype=np.int64) if numbers else [str(i) for i in part.index],
        values=part.values.astype(np.float32),
        ending=part.sets,
    )


@runtime_checkable
class Metric(Protocol):
    """A number per frame and keypoint, from predictions and, if ``needs_labels``, labels.

    A metric that has to learn from training labels first (PCA) does so when it is made. One with
    an attribute ``looks_back``, an int, says that a value hangs on its own row and on that many
    before it; it is computed for parts of a video, any other for the whole of it.
    """

    name: str
    unit: str
    needs_labels: bool
    needs_video: bool  # compares neighbouring frames, so it says nothing of labelled images

    def __call__(self, predictions: Predictions, labels: LabelTable | None = None) -> MetricTable:
        """Return the values, in the rows of ``predictions``."""
        ...
