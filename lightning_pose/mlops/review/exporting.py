"""What people marked in the app, as worklists for label tools."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.files import write_atomically
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.labels import read_labels
from lightning_pose.data.wording import count, listed
from lightning_pose.data.worklist_layouts import DLC, LAYOUTS
from lightning_pose.data.worklists import write_worklist
from lightning_pose.mlops.provenance import now
from lightning_pose.mlops.review.dataset import marks_of
from lightning_pose.mlops.review.documents import Marks
from lightning_pose.mlops.review.video_frames import write_neighbours

TOLD = ("session", "split", "worst_keypoint", "disagreement", "chosen_for", "winner", "difference")


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A picture that people marked.

    Attributes:
        image: its name in the labels.
        file: where it lies.
        label_file: csv that its labels are in, or will be; empty if unknown.
        size: height and width in pixels.
        video: it is a frame of; None = a labelled image.
        frame: 0-based number in the video.
        marks: the tags.
        about: its numbers in the review.
        proposal: a model's points in pixels, to begin with where nothing is labelled; NaN = none.
    """

    image: str
    file: Path
    label_file: str
    size: tuple[int, int]
    video: Path | None = None
    frame: int = -1
    marks: Marks
    about: Mapping[str, Any] = field(default_factory=dict)
    proposal: Float[np.ndarray, "k 2"]

    @property
    def tags(self) -> list[str]:
        """Return the tags of the picture and of its keypoints."""
        of_labels = (tag for tags in self.marks.label_tags.values() for tag in tags)
        return list(dict.fromkeys([*self.marks.tags, *of_labels]))


def marked_pictures(
    dataset: Any, tags: Sequence[str], *, proposals: str | None = None
) -> list[Marked]:
    """Return the pictures that have one of some tags.

    Args:
        dataset: a review data set.
        tags: of pictures or of keypoints.
        proposals: field of the model whose points fill what is not labelled; None = nobody's.

    Raises:
        ConfigError: there is no such model.
        DataError: no picture has a tag, or its file was moved.
    """
    if proposals is not None and not dataset.has_sample_field(proposals):
        raise ConfigError(f"--proposals {proposals}: {dataset.name} shows no such model.")
    marks = marks_of(dataset)
    keypoints = len(dataset.default_skeleton.labels)
    samples = dataset.select_group_slices() if dataset.media_type == "group" else dataset
    wanted = samples.match({"image": {"$in": sorted({image for image, _ in marks})}})
    found = []
    for sample in wanted.iter_samples():
        known = marks.get((sample["image"], sample["view"] or ""), Marks())
        size = (sample.metadata.height, sample.metadata.width)
        one = Marked(
            image=sample["image"],
            file=Path(sample.filepath),
            label_file=sample["label_file"] or "",
            size=size,
            video=Path(sample["video"]) if sample["video"] else None,
            frame=-1 if sample["frame"] is None else sample["frame"],
            marks=known,
            about={name: sample[name] for name in TOLD if sample[name] is not None},
            proposal=_points(sample, proposals, size, keypoints),
        )
        if set(one.tags) & set(tags):
            found.append(one)
    if not found:
        have = sorted({tag for one in marks.values() for tag in one.tags})
        raise DataError(
            f"No picture of {dataset.name} is tagged {' or '.join(tags)} (tags there: "
            f"{listed(have) or 'none'}). Tag some in the app: litpose review open {dataset.name}"
        )
    moved = [one.file for one in found if not one.file.is_file()]
    if moved:
        raise DataError(
            f"{len(moved)} of {count(len(found), 'tagged picture')} not found ({moved[0]} first); "
            "build the review again, with --data-dir for labelled images."
        )
    return found


def write_worklists(
    pictures: Sequence[Marked],
    out: Path,
    *,
    keypoint_names: Sequence[str],
    layout: str,
    source: str,
) -> list[Path]:
    """Write the pictures and what is labelled in them for a label tool; return the files to open.

    Pictures of several label files go to a worklist each, ``<stem>_<label file>``. Frames of
    videos bring the frames around them, which context models look at; not in the layout of
    DeepLabCut, which shows every image of a folder.

    Args:
        pictures: see :func:`marked_pictures`.
        out: csv of the worklist; pictures are copied beside it under their names.
        keypoint_names: in column order.
        layout: a name of :data:`~lightning_pose.data.worklist_layouts.LAYOUTS`.
        source: what asked for it, a command line say.
    """
    by_file: dict[str, list[Marked]] = {}
    for one in pictures:
        by_file.setdefault(one.label_file, []).append(one)
    written = []
    for label_file, members in by_file.items():
        suffix = f"_{Path(label_file).stem}" if len(by_file) > 1 else ""
        path = out.with_name(f"{out.stem}{suffix}{out.suffix}")
        written += _write_one(members, label_file, path, keypoint_names, layout, source)
    return written


def _write_one(
    members: Sequence[Marked],
    label_file: str,
    out: Path,
    keypoint_names: Sequence[str],
    layout: str,
    source: str,
) -> list[Path]:
    """Write the worklist of one label file."""
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
    frames = {one.image: {"tags": one.tags, **one.about} for one in members}

    def write(part: LabelTable, path: Path) -> Path:
        return write_worklist(
            part,
            path,
            labels=labels,
            source=source,
            made=now(),
            frames={image: frames[image] for image in part.images},
        )

    files = LAYOUTS[layout](table, out, write, {one.image: one.size for one in members})
    for one in members:
        target = out.parent / one.image
        if target.resolve() != one.file.resolve():
            write_atomically(target, lambda temporary, f=one.file: shutil.copyfile(f, temporary))
    if layout != DLC:
        _write_neighbours(members, out.parent)
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


def _points(
    sample: Any, field_name: str | None, size: tuple[int, int], keypoints: int
) -> Float[np.ndarray, "k 2"]:
    """Return the points of a field in pixels, NaN if the picture has none."""
    points = None if field_name is None else sample[field_name]
    if points is None or not points.keypoints:
        return np.full((keypoints, 2), np.nan)
    height, width = size
    return np.array(points.keypoints[0].points, dtype=np.float64) * (width, height)
