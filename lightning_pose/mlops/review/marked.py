"""The pictures of a review that people marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.data.wording import count, listed
from lightning_pose.mlops.review.carrying import marks_of
from lightning_pose.mlops.review.documents import Marks

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


def _points(
    sample: Any, field_name: str | None, size: tuple[int, int], keypoints: int
) -> Float[np.ndarray, "k 2"]:
    """Return the points of a field in pixels, NaN if the picture has none."""
    points = None if field_name is None else sample[field_name]
    if points is None or not points.keypoints:
        return np.full((keypoints, 2), np.nan)
    height, width = size
    return np.array(points.keypoints[0].points, dtype=np.float64) * (width, height)
