"""Worklists as the projects of label tools lay them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import write_atomically
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_studio import write_tasks
from lightning_pose.data.worklists import worklist_note

WriteList = Callable[[LabelTable, Path], Path]
Sizes = Mapping[str, tuple[int, int]]
DLC = "dlc"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a label tool wants a worklist.

    Attributes:
        parts: label csv files of a worklist, and the rows that go into each.
        beside: what the names of further files end in, beside each csv.
        finish: makes of a written csv what the tool opens; returns the file to open.
    """

    parts: Callable[[LabelTable, Path], Mapping[Path, LabelTable]]
    beside: tuple[str, ...] = ()
    finish: Callable[[LabelTable, Path, Sizes], Path] = lambda table, path, sizes: path

    def files(self, table: LabelTable, out: Path) -> list[Path]:
        """Return all files that :meth:`write` writes.

        Raises:
            DataError: the worklist cannot be laid out so.
        """
        return [
            file
            for path in self.parts(table, out)
            for file in (path, worklist_note(path), *map(path.with_suffix, self.beside))
        ]

    def write(self, table: LabelTable, out: Path, write: WriteList, sizes: Sizes) -> list[Path]:
        """Write a worklist; return the files to open.

        Args:
            table: of the worklist.
            out: its csv; the layout may choose names of its own in the folder of it.
            write: writes rows as a csv, and what they were beside it.
            sizes: height and width in pixels of each image.
        """
        return [
            self.finish(part, write(part, path), sizes)
            for path, part in self.parts(table, out).items()
        ]


def _whole(table: LabelTable, out: Path) -> dict[Path, LabelTable]:
    return {out: table}


def _by_folder(table: LabelTable, out: Path) -> dict[Path, LabelTable]:
    """Return ``labeled-data/<session>/CollectedData_<scorer>.csv`` of each folder of images.

    The folders are to be copied into those of a DeepLabCut project, and the videos added to its
    config.yaml; the scorer of the project must be the one of the files.
    """
    dlc_frame(table)  # can it be laid out so?
    folders = [str(PurePosixPath(image).parent) for image in table.images]
    return {
        out.parent / folder / f"CollectedData_{table.scorer}.csv": table.rows(
            np.array([one == folder for one in folders], dtype=np.bool_)
        )
        for folder in dict.fromkeys(folders)
    }


def _finish_dlc(table: LabelTable, path: Path, sizes: Sizes) -> Path:
    """Write the csv as DeepLabCut's window reads it, and the ``.h5`` that it keeps beside it."""
    frame = dlc_frame(table)
    write_atomically(
        path.with_suffix(".h5"),
        lambda temporary: frame.to_hdf(temporary, key="df_with_missing", mode="w"),
    )
    return _write_three_columns(table, path)


def _finish_sleap(table: LabelTable, path: Path, sizes: Sizes) -> Path:
    """Write the csv as SLEAP imports DeepLabCut's (File, Import, DeepLabCut dataset).

    Images lie beside the csv; their paths are in three columns, as far as they have three parts.
    """
    if all(len(PurePosixPath(image).parts) > 2 for image in table.images):
        _write_three_columns(table, path)
    return path


def _finish_label_studio(table: LabelTable, path: Path, sizes: Sizes) -> Path:
    """Write tasks for Label Studio beside the csv; return the JSON."""
    return write_tasks(table, path.with_suffix(".json"), sizes=sizes)


LAYOUTS: dict[str, Layout] = {
    "litpose": Layout(parts=_whole),
    DLC: Layout(parts=_by_folder, beside=(".h5",), finish=_finish_dlc),
    "sleap": Layout(parts=_whole, finish=_finish_sleap),
    "label-studio": Layout(
        parts=_whole, beside=(".json", ".config.xml"), finish=_finish_label_studio
    ),
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
