"""Tables with the three-level header as pandas reads and writes them: csv, h5, parquet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import write_atomically

SCORER = "lightning_pose"
HEADER_ROWS = 3


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Parquet has no column levels: names are joined as bodypart/coord."""
    flat = frame.copy()
    flat.columns = ["set" if c[0] == "set" else f"{c[1]}/{c[2]}" for c in frame.columns]
    flat.index.name = "image" if frame.index.dtype == object else "frame"
    flat.to_parquet(path)


def _read_parquet(path: Path) -> pd.DataFrame:
    flat = pd.read_parquet(path)
    columns = [
        ("set", "", "") if c == "set" else (SCORER, *c.rsplit("/", 1)) for c in flat.columns
    ]
    flat.columns = pd.MultiIndex.from_tuples(columns)
    return flat


def _write_h5(frame: pd.DataFrame, path: Path) -> None:
    frame = frame.copy()
    if frame.index.dtype == object:
        frame.index = pd.Index(list(frame.index), dtype=object)
    frame.to_hdf(path, key="df_with_missing", mode="w", format="fixed")


def _read_csv(path: Path) -> pd.DataFrame:
    """Return the table; pandas left alone would drop a first row without any number."""
    header = pd.read_csv(
        path, header=None, nrows=HEADER_ROWS, index_col=0, dtype=str, keep_default_na=False
    )
    names = range(header.shape[1] + 1)
    frame = pd.read_csv(path, header=None, skiprows=HEADER_ROWS, names=names, index_col=0)
    frame.columns = pd.MultiIndex.from_arrays(list(header.to_numpy()))
    return frame


def _read_h5(path: Path) -> pd.DataFrame:
    try:
        return pd.DataFrame(pd.read_hdf(path))
    except RuntimeError as error:
        raise ValueError("it is no HDF5 file") from error


WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    ".csv": lambda frame, path: frame.to_csv(path),
    ".h5": _write_h5,
    ".parquet": _write_parquet,
}
READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".h5": _read_h5,
    ".parquet": _read_parquet,
}


def write_table(frame: pd.DataFrame, path: Path) -> Path:
    """Write a table with the three-level header as csv, h5 or parquet, by the suffix.

    Raises:
        DataError: tables are not written in such a format.
        WriteError: the file cannot be written (a full disk, say).
    """
    writer = WRITERS.get(path.suffix)
    if writer is None:
        raise DataError(
            f"{path}: predictions are written as {', '.join(WRITERS)}; choose one of these "
            "suffixes."
        )
    return write_atomically(path, lambda temporary: writer(frame, temporary))
