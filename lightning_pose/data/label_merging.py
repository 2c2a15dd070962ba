"""Corrections of labels merged into the labels: three versions in, one out, no row lost.

``base`` is what the labels were when the worklist was made, ``ours`` what they are now,
``theirs`` the worklist as it came back. A point that only one side changed is taken from it; one
that both changed in different ways is a conflict.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_versions import (
    NOWHERE,
    KeypointChange,
    Point,
    change_of,
    points_of,
    refuse_duplicates,
)
from lightning_pose.data.labels import NOT_LABELLED, OCCLUDED, VISIBLE
from lightning_pose.data.wording import listed

REFUSE, THEIRS, OURS = "refuse", "theirs", "ours"
Points = Mapping[tuple[str, str], Point]


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A keypoint that labels and worklist changed in different ways.

    Attributes:
        image, keypoint: which.
        base: when the worklist was made.
        ours: in the labels now.
        theirs: in the worklist.
    """

    image: str
    keypoint: str
    base: Point
    ours: Point
    theirs: Point


@dataclass(frozen=True, kw_only=True)
class MergedLabels:
    """What a merge came to.

    Attributes:
        table: the labels with the corrections; its first rows are those of before, in their order.
        changes: what differs from before.
        added_frames: images that are new in the labels.
        conflicts: what both sides changed; the labels hold what was preferred.
        untouched: images that came back just as they were handed out, which were left out.
    """

    table: LabelTable
    changes: tuple[KeypointChange, ...]
    added_frames: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    untouched: tuple[str, ...]


def merge_labels(
    labels: LabelTable,
    worklist: LabelTable,
    *,
    base: Points | None = None,
    handed_out: Points | None = None,
    prefer: str = REFUSE,
) -> MergedLabels:
    """Return labels with the corrections of a worklist.

    Without ``base`` every label of the worklist counts as a correction, and an empty cell says
    nothing; with it, a label that was taken away is taken away.

    Args:
        labels: as they are now.
        worklist: as it came back; it may lack keypoints.
        base: the points of its images when it was made; missing ones were not labelled.
        handed_out: the points that were written into it then (proposals, say); None = ``base``.
        prefer: refuse, theirs (the worklist) or ours (the labels) where both changed a point.

    Raises:
        DataError: an image has two rows, a keypoint is unknown, or there are conflicts and
            ``prefer`` is refuse.
    """
    for table in (labels, worklist):
        refuse_duplicates(table)
    _refuse_unknown(labels, worklist)
    ours, theirs = points_of(labels), points_of(worklist)
    untouched = _untouched(worklist, theirs, base if handed_out is None else handed_out)
    untouched += _still_empty(worklist, labels.images, untouched)
    left_out = set(untouched)
    corrected = {place: point for place, point in theirs.items() if place[0] not in left_out}
    conflicts = list(_conflicts(ours, corrected, base)) if base is not None else []
    kept = {(one.image, one.keypoint) for one in conflicts} if prefer != THEIRS else set()
    merged = dict(ours)
    for place, point in corrected.items():
        now = ours.get(place, NOWHERE)
        if place not in kept and _is_correction(point, place, now, base):
            merged[place] = _with_visibility(point, now)
    if conflicts and prefer == REFUSE:
        raise DataError(_in_words(conflicts, labels))
    known = {*labels.images, *left_out}
    added = [image for image in worklist.images if image not in known]
    return MergedLabels(
        table=_table(labels, merged, added),
        changes=tuple(_changes(ours, merged)),
        added_frames=tuple(added),
        conflicts=tuple(conflicts),
        untouched=tuple(untouched),
    )


def _is_correction(point: Point, place: tuple[str, str], now: Point, base: Points | None) -> bool:
    """Tell whether a worklist says something new of a point."""
    if base is None:
        return point.is_labelled
    return not (point.is_like(base.get(place, NOWHERE)) or point.is_like(now))


def _conflicts(ours: Points, corrected: Points, base: Points) -> Iterator[Conflict]:
    for place, point in corrected.items():
        before, now = base.get(place, NOWHERE), ours.get(place, NOWHERE)
        if _is_correction(point, place, now, base) and not now.is_like(before):
            image, keypoint = place
            yield Conflict(image=image, keypoint=keypoint, base=before, ours=now, theirs=point)


def _refuse_unknown(labels: LabelTable, worklist: LabelTable) -> None:
    unknown = [name for name in worklist.keypoint_names if name not in labels.keypoint_names]
    if unknown:
        near = difflib.get_close_matches(unknown[0], labels.keypoint_names, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise DataError(
            f"{worklist.source} has keypoints that {labels.source} does not know: "
            f"{listed(unknown)}{hint}. Rename the columns, or take them out."
        )


def _untouched(worklist: LabelTable, theirs: Points, handed_out: Points | None) -> list[str]:
    """Return the images whose every point came back as it was handed out."""
    if handed_out is None:
        return []
    return [
        image
        for image in worklist.images
        if all(
            theirs[image, name].is_like(handed_out.get((image, name), NOWHERE))
            for name in worklist.keypoint_names
        )
    ]


def _still_empty(worklist: LabelTable, known: Sequence[str], left_out: Sequence[str]) -> list[str]:
    """Return the new images in which nobody labelled anything."""
    others = {*known, *left_out}
    return [
        image
        for image, points in zip(worklist.images, worklist.xy_img, strict=True)
        if image not in others and np.isnan(points).all()
    ]


def _with_visibility(corrected: Point, now: Point) -> Point:
    """Keep what is known of visibility where the worklist says nothing of it."""
    if corrected.visible is not None or not corrected.is_labelled:
        return corrected
    return replace(corrected, visible=now.visible or None)


def _changes(before: Points, after: Points) -> Iterator[KeypointChange]:
    for (image, keypoint), now in after.items():
        old = before.get((image, keypoint), NOWHERE)
        change = change_of(old, now, threshold_px=0.0)
        if change is not None:
            yield KeypointChange(
                image=image, keypoint=keypoint, change=change, before=old, after=now
            )


def _table(labels: LabelTable, points: Points, added: Sequence[str]) -> LabelTable:
    images = (*labels.images, *added)
    xy = np.full((len(images), len(labels.keypoint_names), 2), np.nan)
    visible = None
    if labels.visible is not None or any(point.visible == OCCLUDED for point in points.values()):
        visible = np.zeros(xy.shape[:2], dtype=np.int64)
    for row, image in enumerate(images):
        for k, name in enumerate(labels.keypoint_names):
            point = points.get((image, name), NOWHERE)
            xy[row, k] = (point.x, point.y)
            if visible is not None:
                stated = VISIBLE if point.visible in (None, NOT_LABELLED) else point.visible
                visible[row, k] = stated if point.is_labelled else NOT_LABELLED
    return replace(labels, images=images, xy_img=xy, visible=visible)


def _in_words(conflicts: Sequence[Conflict], labels: LabelTable) -> str:
    places = [
        f"{one.keypoint} in {one.image} (was {_place(one.base)}, is {_place(one.ours)} in the "
        f"labels and {_place(one.theirs)} in the worklist)"
        for one in conflicts
    ]
    return (
        f"{labels.source} changed since the worklist was made, and so did the worklist: "
        f"{listed(places)}. Take the worklist's with --theirs, or keep the labels' with --ours."
    )


def _place(point: Point) -> str:
    return f"{point.x:.1f}, {point.y:.1f}" if point.is_labelled else "not labelled"
