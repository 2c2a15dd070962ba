"""What people marked in the app, as worklists for label tools."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.files import write_atomically
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.labels import read_labels
from lightning_pose.data.worklist_layouts import DLC, LAYOUTS, Layout
from lightning_pose.data.worklists import worklist_names, write_worklist
from lightning_pose.mlops.provenance import now
from lightning_pose.mlops.review.marked import Marked
from lightning_pose.mlops.review.video_frames import write_neighbours


@dataclass(frozen=True, kw_only=True)
class Written:
    """A worklist on disk.

    Attributes:
        file: to open, and to bring back.
        label_file: csv that it comes back to; empty if unknown.
    """

    file: Path
    label_file: str


@dataclass(frozen=True, kw_only=True)
class _Worklist:
    """What is handed out of one label file, not written yet."""

    out: Path
    members: Sequence[Marked]
    label_file: str
    labels: LabelTable | None
    table: LabelTable


def write_worklists(
    pictures: Sequence[Marked],
    out: Path,
    *,
    keypoint_names: Sequence[str],
    layout: str,
    source: str,
) -> list[Written]:
    """Write the pictures and what is labelled in them for a label tool; return the files to open.

    Pictures of several label files go to a worklist each, ``<stem>_<label file>``. Frames of
    videos bring the frames around them, which context models look at; not in the layout of
    DeepLabCut, which shows every image of a folder.

    Args:
        pictures: see :func:`~lightning_pose.mlops.review.marked.marked_pictures`.
        out: csv of the worklist; pictures are copied beside it under their names.
        keypoint_names: in column order.
        layout: a name of :data:`~lightning_pose.data.worklist_layouts.LAYOUTS`.
        source: what asked for it, a command line say.

    Raises:
        ConfigError: a file to write is there already, and not as it would be written.
        DataError: a label file has other keypoints, the layout has no place for an image, or two
            label files would be written to one file.
        WriteError: a file cannot be written.
    """
    by_file: dict[str, list[Marked]] = {}
    for one in pictures:
        by_file.setdefault(one.label_file, []).append(one)
    worklists = [
        _worklist(
            members,
            out.with_stem(f"{out.stem}_{name}") if name else out,
            label_file=label_file,
            keypoint_names=keypoint_names,
        )
        for (label_file, members), name in zip(
            by_file.items(), worklist_names(list(by_file)), strict=True
        )
    ]
    _refuse_to_replace(worklists, LAYOUTS[layout])
    return [
        Written(file=file, label_file=worklist.label_file)
        for worklist in worklists
        for file in _write_one(worklist, layout, source)
    ]


def _worklist(
    members: Sequence[Marked], out: Path, *, label_file: str, keypoint_names: Sequence[str]
) -> _Worklist:
    """Return what is handed out of one label file."""
    labels = _labels(label_file)
    if labels is not None and labels.keypoint_names != tuple(keypoint_names):
        raise DataError(
            f"{label_file} has other keypoints now than the models of the review; train on it, "
            "and build the review anew."
        )
    table = LabelTable(
        images=tuple(one.image for one in members),
        xy_img=np.stack(list(_shown(members, labels))),
        keypoint_names=tuple(keypoint_names),
        root=out.parent,
        scorer="litpose" if labels is None else labels.scorer,
    )
    return _Worklist(out=out, members=members, label_file=label_file, labels=labels, table=table)


def _refuse_to_replace(worklists: Sequence[_Worklist], layout: Layout) -> None:
    """Check that nothing is written over: no file of before, and none of another label file.

    Raises:
        ConfigError: a file is there already; a picture may be, if it is the same.
        DataError: two label files have one file to write.
    """
    planned: dict[Path, tuple[Path | None, str]] = {}  # the picture it is copied from, label file
    for worklist in worklists:
        files: dict[Path, Path | None] = dict.fromkeys(layout.files(worklist.table, worklist.out))
        files |= {worklist.out.parent / one.image: one.file for one in worklist.members}
        for file, picture in files.items():
            before, other = planned.setdefault(file, (picture, worklist.label_file))
            if other != worklist.label_file and (picture is None or not _same(before, picture)):
                raise DataError(
                    f"{file} would be written twice, for {other} and for {worklist.label_file}. "
                    "Tag the pictures of the two differently, and export each tag to a folder of "
                    "its own."
                )
    for file, (picture, _) in planned.items():
        if file.exists() and not _same(picture, file):
            raise ConfigError(
                f"{file} is there already: choose another folder with --out, or move it away."
            )


def _same(one: Path | None, other: Path) -> bool:
    """Tell whether two pictures are the same, byte for byte."""
    return one is not None and (one == other or filecmp.cmp(one, other, shallow=False))


def _write_one(worklist: _Worklist, layout: str, source: str) -> list[Path]:
    """Write a worklist and its pictures; return the files to open."""
    members, folder = worklist.members, worklist.out.parent
    frames = {one.image: {"tags": one.tags, **one.about} for one in members}

    def write(part: LabelTable, path: Path) -> Path:
        return write_worklist(
            part,
            path,
            labels=worklist.labels,
            source=source,
            made=now(),
            frames={image: frames[image] for image in part.images},
        )

    sizes = {one.image: one.size for one in members}
    files = LAYOUTS[layout].write(worklist.table, worklist.out, write, sizes)
    for one in members:
        target = folder / one.image
        if target.resolve() != one.file.resolve():
            write_atomically(target, lambda temporary, f=one.file: shutil.copyfile(f, temporary))
    if layout != DLC:
        _write_neighbours(members, folder)
    return files


def _write_neighbours(members: Sequence[Marked], folder: Path) -> None:
    """Write the frames around those of videos that are still there."""
    for video in dict.fromkeys(one.video for one in members):
        if video is not None and video.is_file():
            numbers = [one.frame for one in members if one.video == video]
            write_neighbours(video, numbers, folder)


def _shown(
    members: Sequence[Marked], labels: LabelTable | None
) -> Iterator[Float[np.ndarray, "k 2"]]:
    """Yield the points that each picture is handed out with."""
    rows = {} if labels is None else {image: row for row, image in enumerate(labels.images)}
    for one in members:
        row = rows.get(one.image)
        if row is None or labels is None:
            yield one.proposal
        else:
            known = labels.xy_img[row]
            yield np.where(np.isnan(known), one.proposal, known)


def _labels(path: str) -> LabelTable | None:
    """Return the labels as they are now; None if there is no file of them."""
    place = Path(path)
    return read_labels(place, data_dir=place.parent) if path and place.is_file() else None
