"""Reading the raw table of a label file, csv or h5, under every header people have.

The coordinates row (cells x, y, perhaps visible or likelihood) is looked for by its content, so
header rows may come with or without the scorer, with names or without, after one index column or
DeepLabCut's three.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from jaxtyping import Float

from lightning_pose.contracts.errors import DataError

COORDINATES = ("x", "y", "visible", "likelihood")
EMPTY_CELLS = frozenset({"", "nan", "na", "n/a", "none", "null"})
HEADER = "three header rows (scorer, bodyparts, coords) and one row an image, its path first"
_SEARCHED_ROWS = 8
_SPOILT_H5 = (  # what pandas, PyTables and HDF5 raise on one
    OSError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    RuntimeError,
    SystemError,
)
_SHOWN = 60  # characters of a cell


@dataclass(frozen=True, kw_only=True)
class RawLabels:
    """The cells of a label file, not yet judged.

    Attributes:
        scorer: who labelled.
        columns: body part and coordinate (lower case) of each column.
        images: image path of each row, with forward slashes.
        values: the numbers; NaN = empty cell.
    """

    scorer: str
    columns: tuple[tuple[str, str], ...]
    images: tuple[str, ...]
    values: Float[np.ndarray, "n c"]


@dataclass(frozen=True, kw_only=True)
class _Header:
    """Where things stand in a csv: the row below the header, index columns, header cells."""

    first_row: int
    num_index: int
    scorer: str
    bodyparts: list[str]
    coords: list[str]


def read_raw_labels(path: Path) -> RawLabels:
    """Return the cells of a label csv or h5 file.

    Raises:
        DataError: the file is missing, is no label table, holds several animals, or has a cell
            that is no number; the message names the line.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: labels are read from {' and '.join(_READERS)} files.")
    if not path.is_file():
        raise DataError(f"{path}: there is no such label file.")
    return reader(path)


def read_cells(path: Path) -> tuple[list[tuple[int, list[str]]], str]:
    """Return the non-blank rows of a csv as (line number, stripped cells), and its delimiter.

    Comma, semicolon and tab are told apart by the first line; a byte-order mark and any kind of
    line end are fine.

    Raises:
        DataError: the file is missing or is not UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=first.count)
            reader = csv.reader(file, delimiter=delimiter)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} is not readable as csv ({error}). Save it as csv with UTF-8 encoding."
        ) from error
    return [(line, cells) for line, cells in rows if any(cells)], delimiter


def _read_csv(path: Path) -> RawLabels:
    rows, delimiter = read_cells(path)
    header = _find_header(path, rows)
    keep = _coordinate_columns(path, header)
    width = header.num_index + len(header.coords)
    decimal_comma = delimiter == ";"
    images, values = [], []
    for line, cells in rows[header.first_row :]:
        cells = _cut_to_width(path, line, cells, width)
        name = _image_name(cells[: header.num_index])
        numbers = cells[header.num_index :]
        if not images and _is_index_name(name, numbers):
            continue
        images.append(_checked_name(f"{path}, line {line}", name))
        values.append([_number(path, line, header, i, numbers[i], decimal_comma) for i in keep])
    return RawLabels(
        scorer=header.scorer,
        columns=tuple((header.bodyparts[i], header.coords[i]) for i in keep),
        images=tuple(images),
        values=np.array(values, dtype=np.float64).reshape(len(images), len(keep)),
    )


def _find_header(path: Path, rows: Sequence[tuple[int, list[str]]]) -> _Header:
    searched = [cells for _, cells in rows[:_SEARCHED_ROWS]]
    at = next((i for i, cells in enumerate(searched) if _is_coords_row(cells)), None)
    if not at:
        first = ",".join(searched[0])[:_SHOWN] if searched else ""
        raise DataError(
            f"{path} is not a label table: expected {HEADER}; "
            + (f"its first line is {first!r}." if first else "the file is empty.")
        )
    names = [cells[0].lower() for cells in searched[: at + 1]]
    levels_are_named = names[at - 1] == "bodyparts"
    if "individuals" in names or (at == 3 and not levels_are_named):
        raise DataError(_several_animals(path))
    coords = searched[at]
    num_index = next(i for i, cell in enumerate(coords) if cell.lower() in COORDINATES)
    has_scorer = at >= 2 and (not levels_are_named or names[at - 2] == "scorer")
    scorer = "".join(searched[at - 2][num_index : num_index + 1]) if has_scorer else ""
    bodyparts = searched[at - 1] + [""] * (len(coords) - len(searched[at - 1]))
    return _Header(
        first_row=at + 1,
        num_index=num_index,
        scorer=scorer or "scorer",
        bodyparts=bodyparts[num_index : len(coords)],
        coords=[cell.lower() for cell in coords[num_index:]],
    )


def _is_coords_row(cells: Sequence[str]) -> bool:
    """Tell whether the cells after the index columns are coordinate names, x and y among them."""
    lower = [cell.lower() for cell in cells]
    start = next((i for i, cell in enumerate(lower) if cell in COORDINATES), 0)
    named = set(lower[start:])
    return 1 <= start <= 3 and {"x", "y"} <= named <= {*COORDINATES, ""}


def _coordinate_columns(path: Path, header: _Header) -> list[int]:
    """Return the columns that hold coordinates; one without names (``set``) is passed over."""
    keep = []
    for i, (bodypart, coord) in enumerate(zip(header.bodyparts, header.coords, strict=True)):
        if bool(bodypart) != bool(coord):
            raise DataError(
                f"{path}: column {header.num_index + i + 1} has the body part {bodypart!r} and "
                f"the coordinate {coord!r}; both header cells must be filled."
            )
        if coord:
            keep.append(i)
    return keep


def _cut_to_width(path: Path, line: int, cells: list[str], width: int) -> list[str]:
    if len(cells) < width or any(cells[width:]):
        raise DataError(
            f"{path}, line {line}: there are {len(cells)} cells where the header has {width}. "
            "Is the file cut off, or a delimiter missing?"
        )
    return cells[:width]


def _is_index_name(name: str, numbers: Sequence[str]) -> bool:
    """Tell pandas' row of index names from an image without labels, which has a suffix."""
    return not any(numbers) and not PurePosixPath(name).suffix


def _number(
    path: Path, line: int, header: _Header, column: int, cell: str, decimal_comma: bool
) -> float:
    if cell.lower() in EMPTY_CELLS:
        return math.nan
    try:
        return float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError as error:
        raise DataError(
            f"{path}, line {line}: {header.bodyparts[column]} {header.coords[column]} is "
            f"{cell[:_SHOWN]!r}, which is no number; leave the cell empty where nothing is "
            "labelled."
        ) from error


def _read_h5(path: Path) -> RawLabels:
    try:
        frame = pd.DataFrame(pd.read_hdf(path))
    except _SPOILT_H5 as error:
        last = (str(error).strip().splitlines() or [type(error).__name__])[-1]  # after HDF5's own
        raise DataError(
            f"{path} is not a readable h5 label table ({last}). Save it anew, or as csv."
        ) from error
    levels = [str(name).lower() for name in frame.columns.names]
    if frame.columns.nlevels == 4 or "individuals" in levels:
        raise DataError(_several_animals(path))
    if frame.columns.nlevels not in (2, 3):
        raise DataError(
            f"{path} is not a label table: its columns need the levels scorer, bodyparts, coords, "
            f"but have {frame.columns.nlevels}."
        )
    headers = [tuple(str(cell) for cell in column) for column in frame.columns]
    keep = [i for i, cells in enumerate(headers) if cells[-1].lower() in COORDINATES]
    if not keep:
        raise DataError(f"{path} is not a label table: it has no column x or y.")
    scorer = headers[keep[0]][0] if frame.columns.nlevels == 3 else "scorer"
    index = [entry if isinstance(entry, tuple) else (entry,) for entry in frame.index]
    return RawLabels(
        scorer=scorer,
        columns=tuple((headers[i][-2], headers[i][-1].lower()) for i in keep),
        images=tuple(
            _checked_name(f"{path}, row {row}", _image_name(parts))
            for row, parts in enumerate(index, start=1)
        ),
        values=frame.iloc[:, keep].to_numpy(dtype=np.float64),
    )


def _image_name(parts: Sequence[object]) -> str:
    """Return the image path of one or three index cells; empty if they are."""
    name = "/".join(str(part) for part in parts).replace("\\", "/")
    return PurePosixPath(name).as_posix() if name.strip("/") else ""


def _checked_name(place: str, name: str) -> str:
    """Return the image path of a row; an error tells of ``place`` if it can be none."""
    if not name:
        raise DataError(f"{place}: the first column must name an image.")
    if "\0" in name:
        raise DataError(f"{place}: {name[:_SHOWN]!r} is no name of an image; is the file spoilt?")
    return name


def _several_animals(path: Path) -> str:
    return (
        f"{path} has a four-row header (scorer, individuals, bodyparts, coords): it labels "
        "several animals. Trackers here follow one animal; write one file an animal, without "
        "the row 'individuals'."
    )


_READERS: dict[str, Callable[[Path], RawLabels]] = {".csv": _read_csv, ".h5": _read_h5}
