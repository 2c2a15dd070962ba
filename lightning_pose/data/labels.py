"""Label tables: read from csv or h5, written as csv."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_files import RawLabels, read_raw_labels
from lightning_pose.data.wording import listed

NOT_LABELLED, OCCLUDED, VISIBLE = 0, 1, 2


def read_labels(
    path: Path,
    *,
    data_dir: Path,
    keypoint_names: Sequence[str] | None = None,
    num_keypoints: int | None = None,
) -> LabelTable:
    """Return the labels in a csv or h5 file; points marked ``visible`` 0 are NaN.

    Likelihood columns are passed over. Whether the labels make sense is another question: see
    :func:`lightning_pose.data.label_checks.checked_labels`.

    Args:
        path: the label file.
        data_dir: the folder that image paths are relative to.
        keypoint_names: names the file must have, in this order; None = as the file has them.
        num_keypoints: number of keypoints the file must have; None = not checked.

    Raises:
        DataError: the file cannot be read as a label table, or its keypoints are others than
            asked for.
    """
    raw = read_raw_labels(path)
    names = tuple(dict.fromkeys(bodypart for bodypart, _ in raw.columns))
    _check_columns(path, raw, names)
    _check_names(path, names, keypoint_names, num_keypoints)
    xy = np.stack([_coordinate(raw, names, axis) for axis in ("x", "y")], axis=-1)
    _check_numbers(path, raw, names, xy)
    visible = _visibility(path, raw, names, xy)
    if visible is not None:
        xy[visible == NOT_LABELLED] = np.nan
    return LabelTable(
        images=raw.images,
        xy_img=xy,
        keypoint_names=names,
        root=Path(data_dir),
        scorer=raw.scorer,
        visible=visible,
        source=Path(path),
    )


def write_labels(table: LabelTable, path: Path) -> Path:
    """Write a table as csv with the three header rows; return ``path``."""
    coords = ["x", "y"] if table.visible is None else ["x", "y", "visible"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    per_name = [(name, coord) for name in table.keypoint_names for coord in coords]
    writer.writerow(["scorer"] + [table.scorer] * len(per_name))
    writer.writerow(["bodyparts"] + [name for name, _ in per_name])
    writer.writerow(["coords"] + [coord for _, coord in per_name])
    for row, image in enumerate(table.images):
        writer.writerow([image, *_cells(table, row)])
    return write_text(path, text.getvalue())


def _cells(table: LabelTable, row: int) -> list[str]:
    cells = []
    for keypoint, point in enumerate(table.xy_img[row]):
        cells += ["" if np.isnan(value) else repr(float(value)) for value in point]
        if table.visible is not None:
            cells.append(str(int(table.visible[row, keypoint])))
    return cells


def _check_columns(path: Path, raw: RawLabels, names: Sequence[str]) -> None:
    if len(set(raw.columns)) < len(raw.columns):
        twice = [c for c in dict.fromkeys(raw.columns) if raw.columns.count(c) > 1]
        raise DataError(
            f"{path}: these columns are there twice: {listed(f'{n} {c}' for n, c in twice)}. "
            "Keypoint names must differ from each other."
        )
    missing = [f"{n} {c}" for n in names for c in ("x", "y") if (n, c) not in raw.columns]
    if missing:
        raise DataError(f"{path}: every keypoint needs x and y; missing: {listed(missing)}.")


def _check_names(
    path: Path, names: Sequence[str], wanted: Sequence[str] | None, number: int | None
) -> None:
    if wanted and set(wanted) != set(names):
        unknown = [_with_nearest(name, names) for name in wanted if name not in names]
        extra = [name for name in names if name not in wanted]
        raise DataError(
            f"{path}: data.keypoint_names do not match the file."
            + (f" Not in the file: {listed(unknown)}." if unknown else "")
            + (f" Only in the file: {listed(extra)}." if extra else "")
            + " Correct the names, or set data.keypoint_names=null to take them from the file."
        )
    if wanted and list(wanted) != list(names):
        raise DataError(
            f"{path}: data.keypoint_names has the file's names in another order; columns are "
            f"counted in the file's order, so write: {', '.join(names)}."
        )
    if number is not None and number != len(names):
        raise DataError(
            f"{path} has {len(names)} keypoints ({listed(names)}), but data.num_keypoints is "
            f"{number}."
        )


def _with_nearest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"{name} (did you mean {near[0]}?)" if near else name


def _coordinate(raw: RawLabels, names: Sequence[str], coord: str) -> Float[np.ndarray, "n k"]:
    return raw.values[:, [raw.columns.index((name, coord)) for name in names]]


def _check_numbers(
    path: Path, raw: RawLabels, names: Sequence[str], xy: Float[np.ndarray, "n k 2"]
) -> None:
    half = np.isnan(xy).any(-1) & ~np.isnan(xy).all(-1)
    infinite = np.isinf(xy).any(-1)
    for wrong, what in ((half, "only one of x and y"), (infinite, "an infinite coordinate")):
        if wrong.any():
            places = [f"{names[k]} in {raw.images[row]}" for row, k in np.argwhere(wrong)]
            raise DataError(f"{path}: these labels have {what}: {listed(places)}.")


def _visibility(
    path: Path, raw: RawLabels, names: Sequence[str], xy: Float[np.ndarray, "n k 2"]
) -> Int[np.ndarray, "n k"] | None:
    """Return 0, 1 or 2 a label, filled from the coordinates where the file is silent."""
    stated = [name for name in names if (name, "visible") in raw.columns]
    if not stated:
        return None
    labelled = np.asarray(~np.isnan(xy).any(-1))
    visible = np.where(labelled, VISIBLE, NOT_LABELLED)
    for name in stated:
        k = names.index(name)
        values = raw.values[:, raw.columns.index((name, "visible"))]
        known = ~np.isnan(values)
        wrong = known & ~np.isin(values, (NOT_LABELLED, OCCLUDED, VISIBLE))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"{path}: {name} visible is {values[row]:g} in {raw.images[row]}; "
                "it is 0 (not labelled), 1 (occluded) or 2 (visible)."
            )
        visible[:, k] = np.where(known & labelled[:, k], np.nan_to_num(values), visible[:, k])
    return visible
