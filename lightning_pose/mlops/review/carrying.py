"""What people made in a review, tags and saved views, from one build of it to the next."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_pose.mlops.review.documents import Marks

BEFORE = "{} (before)"  # what a data set is called while another takes its name
FORMER = "{}-former"  # what it is called for good where not all could be carried over
Place = tuple[str, str]  # image and view, or the file of a clip
Tags = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Lost:
    """What of people's work has no place in a new build.

    Attributes:
        pictures: names of pictures or clips, a tag of which is not there.
        views: names of saved views that do not fit the fields there are now.
        former: name under which the data set of before stays with all of it; empty if nothing
            is lost.
    """

    pictures: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    former: str = ""


def take_over(
    fo: Any,
    old: Any | None,
    new: Any,
    name: str,
    *,
    marks: tuple[Mapping[Place, Marks], Mapping[Place, Marks]],
    ours: Collection[str] = (),
) -> Lost:
    """Give the new data set the name of the old one, and people's views; return what is lost.

    The old one is deleted if all that people made is in the new one; else it stays as
    ``<name>-former``.

    Args:
        fo: the module ``fiftyone``, connected.
        old: of that name; None = the name is free.
        new: whole, under a name for the time being.
        name: for it.
        marks: what people marked in the old one, and what of it the new one shows.
        ours: names of views that people did not make.
    """
    if old is None:
        new.persistent, new.name = True, name
        return Lost()
    before, after = marks
    views = _carry_views(fo, old, new, ours=ours)
    pictures = [
        image
        for (image, view), found in before.items()
        if not found.are_in(after.get((image, view), Marks()))
    ]
    former = _free_name(fo, FORMER.format(name)) if pictures or views else ""
    aside = BEFORE.format(name)
    if fo.dataset_exists(aside):
        fo.delete_dataset(aside)
    old.name = former or aside
    new.persistent, new.name = True, name
    if not former:
        old.delete()
    return Lost(pictures=tuple(dict.fromkeys(pictures)), views=tuple(views), former=former)


def is_cut_off(fo: Any, name: str) -> bool:
    """Tell whether a build that was to replace a data set was killed, or is, as it did so."""
    return fo.dataset_exists(BEFORE.format(name)) and not fo.dataset_exists(name)


def restore_dataset(fo: Any, name: str) -> None:
    """Give a data set its name back if a build that was to replace it was killed in between.

    Nobody may be building it now.
    """
    if is_cut_off(fo, name):
        fo.load_dataset(BEFORE.format(name)).name = name


def marks_of(dataset: Any) -> dict[tuple[str, str], Marks]:
    """Return what people tagged in a review data set, by image and view."""
    samples = dataset.select_group_slices() if dataset.media_type == "group" else dataset
    fields = [name for name, kind in dataset.get_field_schema().items() if _holds_points(kind)]
    images, views, tags = samples.values(["image", "view", "tags"])
    label_tags = samples.values([f"{field}.keypoints.tags" for field in fields])
    return _marked(
        (
            (image, view or ""),
            tags[row],
            {f: _flat(v[row]) for f, v in zip(fields, label_tags, strict=True)},
        )
        for row, (image, view) in enumerate(zip(images, views, strict=True))
    )


def marks_of_clips(dataset: Any) -> dict[Place, Marks]:
    """Return what people tagged in a data set of clips, by file; of labels, by field and frame."""
    fields = [
        name for name, kind in dataset.get_frame_field_schema().items() if _holds_points(kind)
    ]
    files, tags = dataset.values(["filepath", "tags"])
    label_tags = dataset.values([f"frames.{field}.keypoints.tags" for field in fields])
    return _marked(
        (
            (Path(file).name, ""),
            tags[row],
            {
                label_of(field, number): _flat(points)
                for field, values in zip(fields, label_tags, strict=True)
                for number, points in enumerate(values[row] or (), start=1)
            },
        )
        for row, file in enumerate(files)
    )


def label_of(field: str, number: int) -> str:
    """Return what the labels of a frame of a clip are called among its marks, counted from 1."""
    return f"{field} {number}"


def ids_of(dataset: Any) -> dict[Place, str]:
    """Return the identifier of each picture, by which saved views may name it."""
    samples = dataset.select_group_slices() if dataset.media_type == "group" else dataset
    images, views, ids = samples.values(["image", "view", "id"])
    return {(image, view or ""): one for image, view, one in zip(images, views, ids, strict=True)}


def tagged_frames(dataset: Any) -> dict[str, list[int]]:
    """Return the frames of videos that people tagged, by session."""
    marks = marks_of(dataset)
    samples = dataset.select_group_slices() if dataset.media_type == "group" else dataset
    found: dict[str, set[int]] = {}
    columns = samples.values(["image", "view", "session", "frame"])
    for image, view, session, frame in zip(*columns, strict=True):
        if frame is not None and (image, view or "") in marks:
            found.setdefault(session, set()).add(frame)
    return {session: sorted(frames) for session, frames in found.items()}


def tagged_clips(dataset: Any) -> dict[str, list[int]]:
    """Return the frames in the middle of the clips that people tagged, by session."""
    marks = marks_of_clips(dataset)
    found: dict[str, list[int]] = {}
    columns = dataset.values(["filepath", "session", "frames.frame"])
    for file, session, frames in zip(*columns, strict=True):
        if (Path(file).name, "") in marks:
            found.setdefault(session, []).append(frames[len(frames) // 2])
    return {session: sorted(set(frames)) for session, frames in found.items()}


def _marked(rows: Iterable[tuple[Place, Sequence[str], Mapping[str, Tags]]]) -> dict[Place, Marks]:
    """Return the marks of places that have any: tags of the picture, and of labels."""
    marks = {
        place: Marks(
            tags=tuple(tags), label_tags={k: words for k, words in labels.items() if words}
        )
        for place, tags, labels in rows
    }
    return {place: one for place, one in marks.items() if one != Marks()}


def _flat(tags: Iterable[Iterable[str] | None] | None) -> Tags:
    return tuple(itertools.chain.from_iterable(one or () for one in tags or ()))


def _holds_points(kind: Any) -> bool:
    return getattr(getattr(kind, "document_type", None), "__name__", "") == "Keypoints"


def _carry_views(fo: Any, old: Any, new: Any, *, ours: Collection[str]) -> list[str]:
    """Save people's views in the new data set too; return those that its fields do not allow."""
    lost = []
    for name in old.list_saved_views():
        if name in ours:
            continue
        stages = old.load_saved_view(name)._serialize(include_uuids=False)
        try:
            view = fo.DatasetView._build(new, stages)
        except (ValueError, AttributeError):  # of a model that is not compared any more
            lost.append(name)
        else:
            about = old.get_saved_view_info(name)
            new.save_view(name, view, description=about["description"], color=about["color"])
    return lost


def _free_name(fo: Any, name: str) -> str:
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(one for one in names if not fo.dataset_exists(one))
