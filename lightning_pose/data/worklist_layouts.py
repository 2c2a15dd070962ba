"""Worklists as the projects of label tools lay them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import write_atomically
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_studio import write_tasks

WriteList = Callable[[LabelTable, Path], Path]
Sizes = Mapping[str, tuple[int, int]]
DLC = "dlc"


def write_plain(table: LabelTable, out: Path, write: WriteList, sizes: Sizes) -> list[Path]:
    """Write one csv, as our labels are; return it."""
    return [write(table, out)]


def write_dlc(table: LabelTable, out: Path, write: WriteList, sizes: Sizes) -> list[Path]:
    """Write ``labeled-data/<session>/CollectedData_<scorer>.csv`` and ``.h5``; return the csv.

    Copy the folders into those of a DeepLabCut project, and add the videos to its config.yaml;
    the scorer of the project must be the one of the files.
    """
    dlc_frame(table)  # before anything is written: can it be laid out so?
    folders = [str(PurePosixPath(image).parent) for image in table.images]
    files = []
    for folder in dict.fromkeys(folders):
        rows = np.array([one == folder for one in folders], dtype=np.bool_)
        part = table.rows(rows)
        path = out.parent / folder / f"CollectedData_{table.scorer}.csv"
        write(part, path)
        _write_three_columns(part, path)
        frame = dlc_frame(part)
        write_atomically(
            path.with_suffix(".h5"),
            lambda temporary, f=frame: f.to_hdf(temporary, key="df_with_missing", mode="w"),
        )
        files.append(path)
    return files


def write_sleap(table: LabelTable, out: Path, write: WriteList, sizes: Sizes) -> list[Path]:
    """Write one csv as SLEAP imports DeepLabCut's (File, Import, DeepLabCut dataset); return it.

    Images lie beside the csv; their paths are in three columns, as far as they have three parts.
    """
    write(table, out)
    if all(len(PurePosixPath(image).parts) > 2 for image in table.images):
        _write_three_columns(table, out)
    return [out]


def write_label_studio(table: LabelTable, out: Path, write: WriteList, sizes: Sizes) -> list[Path]:
    """Write a csv as ours is, and ``<stem>.json`` with tasks for Label Studio; return the JSON."""
    path = out.with_suffix(".json")
    write(table, out)
    return [write_tasks(table, path, sizes=sizes)]


LAYOUTS: dict[str, Callable[[LabelTable, Path, WriteList, Sizes], list[Path]]] = {
    "litpose": write_plain,
    DLC: write_dlc,
    "sleap": write_sleap,
    "label-studio": write_label_studio,
}


def dlc_frame(table: LabelTable) -> pd.DataFrame:
    """Return a table as DeepLabCut keeps it: rows (labeled-data, session, image), x and y only.

    Raises:
        DataError: an image lies in no folder of a session.
    """
    short = [image for image in table.images if len(PurePosixPath(image).parts) < 3]
    if short:
        raise DataError(
            f"DeepLabCut keeps images as labeled-data/<video>/<image>, but there is {short[0]}: "
            "it lies in no folder of a video. Choose another --layout."
        )
    columns = pd.MultiIndex.from_product(
        [[table.scorer], table.keypoint_names, ["x", "y"]],
        names=["scorer", "bodyparts", "coords"],
    )
    parts = [PurePosixPath(image).parts for image in table.images]
    index = pd.MultiIndex.from_tuples([("/".join(p[:-2]), *p[-2:]) for p in parts])
    values = table.xy_img.reshape(len(table), -1)
    return pd.DataFrame(values, index=index, columns=columns)


def _write_three_columns(table: LabelTable, path: Path) -> Path:
    flat = replace(table, visible=None)
    return write_atomically(path, lambda temporary: dlc_frame(flat).to_csv(temporary))
