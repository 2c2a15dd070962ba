"""Two versions of a label table compared, and corrections merged into one; tables in, tables out.

Rows are matched by image path and keypoints by name, so neither order matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_checks import duplicate_images
from lightning_pose.data.wording import listed

SAME_PX = 0.01  # label tools round


class Change(StrEnum):
    """What became of a keypoint in an image."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    VISIBILITY = "visibility"


@dataclass(frozen=True, kw_only=True)
class Point:
    """A keypoint in an image: pixels, NaN = not labelled; ``visible`` None = not said."""

    x: float = float("nan")
    y: float = float("nan")
    visible: int | None = None

    @property
    def is_labelled(self) -> bool:
        """Tell whether it has a place."""
        return self.x == self.x and self.y == self.y

    def distance_px(self, other: Point) -> float:
        """Return the distance in pixels; NaN if one of the two is not labelled."""
        return float(np.hypot(other.x - self.x, other.y - self.y))

    def is_like(self, other: Point, *, within_px: float = SAME_PX) -> bool:
        """Tell whether two points say the same."""
        if self.is_labelled != other.is_labelled:
            return False
        silent = self.visible is None or other.visible is None
        near = not self.is_labelled or self.distance_px(other) <= within_px
        return near and (silent or self.visible == other.visible)


NOWHERE = Point()


@dataclass(frozen=True, kw_only=True)
class KeypointChange:
    """One keypoint in one image that differs.

    Attributes:
        image: path as in the label file.
        keypoint: its name (the new one if it was renamed).
        change: what became of it.
        before, after: its place in both versions.
    """

    image: str
    keypoint: str
    change: Change
    before: Point = NOWHERE
    after: Point = NOWHERE

    @property
    def distance_px(self) -> float:
        """Return how far it moved, in pixels; NaN if it was added or removed."""
        return self.before.distance_px(self.after)


@dataclass(frozen=True, kw_only=True)
class LabelDifference:
    """What differs between two versions of labels.

    Attributes:
        added_frames, removed_frames: images that only the second, or only the first one has.
        added_keypoints, removed_keypoints: columns likewise.
        renamed: old name -> new name, as was said.
        changes: keypoints that differ, also those of added and removed frames.
        unchanged: labelled keypoints that are the same in both.
    """

    added_frames: tuple[str, ...]
    removed_frames: tuple[str, ...]
    added_keypoints: tuple[str, ...]
    removed_keypoints: tuple[str, ...]
    renamed: Mapping[str, str]
    changes: tuple[KeypointChange, ...]
    unchanged: int

    def of(self, change: Change) -> tuple[KeypointChange, ...]:
        """Return the changes of one kind."""
        return tuple(one for one in self.changes if one.change == change)

    @property
    def is_empty(self) -> bool:
        """Tell whether the two versions say the same."""
        frames = self.added_frames or self.removed_frames
        return not (frames or self.added_keypoints or self.removed_keypoints or self.changes)


def diff_labels(
    before: LabelTable,
    after: LabelTable,
    *,
    threshold_px: float = SAME_PX,
    renamed: Mapping[str, str] | None = None,
    allow_new_names: bool = False,
) -> LabelDifference:
    """Return what differs between two versions of labels.

    Args:
        before: the first version.
        after: the second version.
        threshold_px: a keypoint that moved no farther counts as the same.
        renamed: old name -> new name of keypoints.
        allow_new_names: keypoints that only one version has were added and removed, not renamed.

    Raises:
        DataError: an image has two rows, or keypoints may have been renamed.
    """
    renamed = dict(renamed or {})
    before = _renamed(before, renamed)
    for table in (before, after):
        refuse_duplicates(table)
    gone = [name for name in before.keypoint_names if name not in after.keypoint_names]
    new = [name for name in after.keypoint_names if name not in before.keypoint_names]
    if gone and new and not allow_new_names:
        raise DataError(
            f"{listed(gone)} became {listed(new)}. Say which keypoint was renamed with "
            f"--rename {gone[0]}={new[0]}, or that none was with --no-rename."
        )
    old_points, new_points = points_of(before), points_of(after)
    changes, unchanged = [], 0
    for image in dict.fromkeys([*before.images, *after.images]):
        for keypoint in dict.fromkeys([*before.keypoint_names, *after.keypoint_names]):
            old = old_points.get((image, keypoint), NOWHERE)
            now = new_points.get((image, keypoint), NOWHERE)
            change = change_of(old, now, threshold_px=threshold_px)
            if change is None:
                unchanged += old.is_labelled
                continue
            changes.append(
                KeypointChange(
                    image=image, keypoint=keypoint, change=change, before=old, after=now
                )
            )
    return LabelDifference(
        added_frames=_only_in(after.images, before.images),
        removed_frames=_only_in(before.images, after.images),
        added_keypoints=tuple(new),
        removed_keypoints=tuple(gone),
        renamed=renamed,
        changes=tuple(changes),
        unchanged=unchanged,
    )


def points_of(table: LabelTable) -> dict[tuple[str, str], Point]:
    """Return the points of a table by image and keypoint, those without a label too."""
    return {
        (image, keypoint): Point(
            x=float(table.xy_img[row, k, 0]),
            y=float(table.xy_img[row, k, 1]),
            visible=None if table.visible is None else int(table.visible[row, k]),
        )
        for row, image in enumerate(table.images)
        for k, keypoint in enumerate(table.keypoint_names)
    }


def change_of(before: Point, after: Point, *, threshold_px: float = SAME_PX) -> Change | None:
    """Return what became of a keypoint; None if nothing."""
    if before.is_labelled != after.is_labelled:
        return Change.ADDED if after.is_labelled else Change.REMOVED
    if not before.is_labelled:
        return None
    if before.distance_px(after) > threshold_px:
        return Change.MOVED
    silent = before.visible is None or after.visible is None
    return None if silent or before.visible == after.visible else Change.VISIBILITY


def refuse_duplicates(table: LabelTable) -> None:
    """Raise DataError if an image has several rows: which one counts is not known."""
    problems = duplicate_images(table)
    if problems:
        raise DataError(problems[0])


def _only_in(images: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    known = set(others)
    return tuple(image for image in images if image not in known)


def _renamed(table: LabelTable, renamed: Mapping[str, str]) -> LabelTable:
    unknown = [name for name in renamed if name not in table.keypoint_names]
    if unknown:
        raise DataError(f"--rename: {table.source} has no keypoint {listed(unknown)}.")
    names = tuple(renamed.get(name, name) for name in table.keypoint_names)
    if len(set(names)) < len(names):
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        raise DataError(f"--rename: {table.source} would have {listed(twice)} twice.")
    return replace(table, keypoint_names=names)
