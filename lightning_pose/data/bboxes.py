"""Bounding boxes: where the animal is, so that only that part is shown to the network.

Files have the columns x, y, h, w: first column and row of the box, then height before width, in
pixels. For labelled images the column before them names the image; for a video there is one row a
frame, and a column with the number of the frame may stand before them. A box may reach over the
image's edges; what is outside is black.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Int

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_files import EMPTY_CELLS, read_cells
from lightning_pose.data.wording import count, listed

Box = tuple[int, int, int, int]
_COLUMNS = ("x", "y", "h", "w")
_NUMBERS = "frame"  # name of the column that numbers rows, wherever it stands
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_LONGEST = 2**16  # pixels: no video is wider or higher (AV1 allows that much)
# A square about any point of a picture that shows all of it has sides of at most twice the longer
# one of the picture; up to this many pixels a box may be larger, as any computer holds it.
_ALWAYS_HELD = 1024


def read_bboxes(*paths: Path) -> dict[str, Box]:
    """Return the box (x, y, height, width) of each image in csv files, rounded to whole pixels.

    Raises:
        DataError: a file is missing, lacks a column, or holds an unusable box, or an image has
            two.
    """
    boxes: dict[str, Box] = {}
    for path in paths:
        header, rows = _read(path)
        names = [i for i, cell in enumerate(header) if cell not in _COLUMNS]
        if not names:
            raise DataError(f"{path}: the first column must name the image each box is for.")
        for line, cells in rows:
            image = PurePosixPath(cells[names[0]].replace("\\", "/")).as_posix()
            if image in boxes:
                raise DataError(f"{path}, line {line}: {image} has a box already.")
            boxes[image] = _box(path, line, header, cells)
    return boxes


def bbox_file_beside(video: Path) -> Path:
    """Return where the boxes of a video or folder of images lie: ``<stem>_bbox.csv`` beside it."""
    return video.with_name(f"{video.stem}_bbox.csv")


def boxes_beside(video: Path) -> Path | None:
    """Return what lies where the boxes of a video or folder of images do; None if nothing does.

    Whatever has the name counts, a link that leads nowhere too, and what may not be looked at:
    reading it fails, with a word. A name that is too long for the disk is that of no file.
    """
    beside = bbox_file_beside(video)
    try:
        beside.lstat()
    except OSError as error:
        return None if error.errno in _NOTHING_THERE else beside
    return beside


def check_box_file(path: Path) -> None:
    """Check that boxes can be read from what has the name: not a pipe, which nobody may write to.

    Raises:
        DataError: they cannot.
    """
    try:
        kind = path.stat().st_mode
    except OSError as error:
        raise DataError(_why_not_read(path, error)) from error
    if not stat.S_ISREG(kind):
        reason = os.strerror(errno.EISDIR) if stat.S_ISDIR(kind) else "it is no file"
        raise DataError(_why_not_read(path, OSError(errno.EINVAL, reason)))


def _why_not_read(path: Path, error: OSError) -> str:
    """Return the sentence on a file of boxes that cannot be read."""
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        why = f"{path} is a link to {path.readlink()}, where there is no file."
    else:
        why = f"{path} cannot be read: {error.strerror or error}."
    return f"{why} Put a csv of boxes there, or take it away for whole frames to be shown."


def read_video_bboxes(path: Path, *, num_frames: int | None = None) -> Int[np.ndarray, "n 4"]:
    """Return the box (x, y, height, width) of each frame of a video, rounded to whole pixels.

    Args:
        path: the csv, by convention ``<video stem>_bbox.csv``.
        num_frames: how many rows there must be; None = not checked.

    Raises:
        DataError: the file is missing, lacks a column, holds an unusable box, too few or too many
            of them, or its rows are numbered in another order than frames are.
    """
    header, rows = _read(path)
    _check_order(path, header, rows)
    boxes = [_box(path, line, header, cells) for line, cells in rows]
    if num_frames is not None and len(boxes) != num_frames:
        raise DataError(
            f"{path} has {count(len(boxes), 'row')} where the video has "
            f"{count(num_frames, 'frame')}; there must be one box a frame."
        )
    return np.array(boxes, dtype=np.int64).reshape(len(boxes), 4)


def _check_order(path: Path, header: list[str], rows: list[tuple[int, list[str]]]) -> None:
    """Refuse rows that have numbers, which are not those of the frames, 0, 1, 2 ...

    Numbers stand in a column named frame, else in the first if it is none of the box and holds
    nothing else but empty cells: names of images there, and times, are not looked at.
    """
    is_named = _NUMBERS in header
    column = header.index(_NUMBERS) if is_named else 0
    if header[column] in _COLUMNS:
        return
    numbers = [_whole_number(cells[column]) for _, cells in rows]
    empty = [cells[column].lower() in EMPTY_CELLS for _, cells in rows]
    others = any(number is None and not gap for number, gap in zip(numbers, empty, strict=True))
    if others and not is_named:
        return
    for frame, (number, (line, cells)) in enumerate(zip(numbers, rows, strict=True)):
        if number is not None and number != frame:
            raise DataError(
                f"{path}, line {line}: the box is numbered {cells[column]} where frame {frame} "
                "has its place. Sort the rows by frame, the first one being 0, or leave the "
                "numbers out."
            )


def _whole_number(cell: str) -> float | None:
    """Return the number in a cell, infinite where it is too large for one; None = not whole."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if number.is_integer() or number in (np.inf, -np.inf) else None


def check_boxes(boxes: object, *, name: str) -> None:
    """Refuse what are no boxes of a video, one a frame.

    Raises:
        DataError: it is no array of whole numbers with four columns, or a box is empty.
    """
    if not (
        isinstance(boxes, np.ndarray)
        and boxes.ndim == 2
        and boxes.shape[1] == 4
        and np.issubdtype(boxes.dtype, np.integer)
    ):
        raise DataError(
            f"The boxes of {name} should be an array of whole numbers with a row x, y, height, "
            "width for each frame."
        )
    if boxes.size and boxes.max() > np.iinfo(np.int64).max:  # unsigned
        raise DataError(f"The boxes of {name} hold a number that no picture has: {boxes.max()}.")
    empty = np.flatnonzero((boxes[:, 2:] <= 0).any(axis=1))
    if len(empty):
        raise DataError(f"The box of frame {empty[0]} of {name} is empty: {boxes[empty[0]]}.")


def check_boxes_show(
    boxes: Int[np.ndarray, "n 4"], frame_hw: tuple[int, int], *, name: str
) -> None:
    """Refuse boxes that do not suit the frames of a video, or an image.

    Raises:
        DataError: one lies wholly outside, so that all would be black, or is much larger than what
            it is cut from; the message names the first such frame.
    """
    height, width = frame_hw
    x, y, tall, wide = boxes.astype(np.int64).T
    most = max(2 * height, 2 * width, _ALWAYS_HELD)
    nothing = (x >= width) | (y >= height) | (x + wide <= 0) | (y + tall <= 0)
    too_large = (tall > most) | (wide > most)
    if not (nothing | too_large).any():
        return
    first = int(np.flatnonzero(nothing | too_large)[0])
    which = f"frame {first} of {name}" if len(boxes) > 1 else name
    x, y, tall, wide = boxes[first].tolist()
    numbers = f"x {x}, y {y}, h {tall}, w {wide} in a picture {height} high and {width} wide"
    if too_large[first]:
        raise DataError(
            f"The box of {which} is too large: {numbers}. To show all of it from any place, h and "
            f"w need not be more than {most}."
        )
    raise DataError(
        f"The box of {which} shows nothing of it: {numbers}. x and y are its left and upper edge."
    )


def boxes_of(table: LabelTable, boxes: Mapping[str, Box]) -> list[Box]:
    """Return the box of every row.

    Raises:
        DataError: an image has none; the message names it.
    """
    missing = [image for image in table.images if image not in boxes]
    if missing:
        raise DataError(
            f"There is no bounding box for {count(len(missing), 'image')} of "
            f"{table.source or 'the label table'}: {listed(missing)}. Each needs a row in the csv "
            "of boxes (data.bbox_file; --bbox-file)."
        )
    return [boxes[image] for image in table.images]


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    check_box_file(path)
    try:
        rows, _ = read_cells(path)
    except OSError as error:
        raise DataError(_why_not_read(path, error)) from error
    header = [cell.lower() for cell in rows[0][1]] if rows else []
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"{path} is not a list of bounding boxes: expected the columns x, y, h, w; missing: "
            f"{', '.join(missing)}."
        )
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {line}: there are {len(cells)} cells where the header has "
                f"{len(header)}."
            )
    return header, rows[1:]


def _box(path: Path, line: int, header: list[str], cells: list[str]) -> Box:
    try:
        x, y, height, width = (round(float(cells[header.index(name)])) for name in _COLUMNS)
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{path}, line {line}: x, y, h and w must be numbers, got {', '.join(cells)}."
        ) from error
    if max(map(abs, (x, y, height, width))) > _LONGEST:
        raise DataError(
            f"{path}, line {line}: x, y, h and w are pixels, and no picture has more than "
            f"{_LONGEST} in a row, got {', '.join(cells)}."
        )
    if height < 1 or width < 1:
        raise DataError(
            f"{path}, line {line}: a box needs a height and width of at least 1 pixel, got "
            f"{height} x {width}."
        )
    return (x, y, height, width)
