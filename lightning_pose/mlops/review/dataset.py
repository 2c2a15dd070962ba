"""The review data set in FiftyOne: made anew under its name, what people marked carried over."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int

from lightning_pose.contracts.errors import DataError
from lightning_pose.mlops.review.carrying import Lost, ids_of, marks_of, take_over
from lightning_pose.mlops.review.documents import sample_documents
from lightning_pose.mlops.review.fields import (
    GROUND_TRUTH,
    GROUP,
    NUMBERS,
    POINT_NUMBERS,
    TEXTS,
    max_error_field,
    model_fields,
    number_fields,
)
from lightning_pose.mlops.review.measures import Measures, measure, wrong_px
from lightning_pose.mlops.review.saved_views import our_views
from lightning_pose.mlops.review.table import ReviewTable
from lightning_pose.mlops.skeleton import Edges

FORMAT = "litpose-review-1"
ABOUT, MARK = "litpose", "format"  # dataset.info[ABOUT][MARK] tells our data sets
AT_ONCE = 1000
METADATA = ("size_bytes", "mime_type", "width", "height", "num_channels")
GREEN = "#12b886"
COLOURS = ("#ff6b00", "#3b82f6", "#e64980", "#fab005", "#7950f2", "#15aabf", "#a0522d", "#868e96")


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build came to.

    Attributes:
        dataset: of FiftyOne.
        pictures: how many.
        kept: how many of them have tags of people, carried over.
        lost: what of people's work is in the review of before alone.
        lost_clips: likewise of the clips.
        views: number of pictures in each saved view.
        wrong_px: error from which a point counts as wrong in the views.
    """

    dataset: Any
    pictures: int
    kept: int
    lost: Lost
    views: Mapping[str, int]
    wrong_px: float
    lost_clips: Lost = field(default_factory=Lost)


def find_ours(fo: Any, name: str, *, clips: bool | None = False) -> Any | None:
    """Return the review data set of a name; None if the name is free.

    Args:
        fo: the module ``fiftyone``, connected.
        name: of the data set.
        clips: whether it should hold clips of videos, or pictures; None = either.

    Raises:
        DataError: the name is in use by a data set that this program did not make, or by one of
            the other kind.
    """
    if not fo.dataset_exists(name):
        return None
    dataset = fo.load_dataset(name)
    if dataset.info.get(ABOUT, {}).get(MARK) != FORMAT:
        raise DataError(
            f"{name!r} is the name of a FiftyOne data set that litpose did not make; choose "
            "another with --name."
        )
    if clips is not None and clips != (dataset.media_type == "video"):
        there, wanted = ("pictures", "clips") if clips else ("clips", "pictures")
        raise DataError(f"{name!r} is a review of {there}, not of {wanted}; choose another name.")
    return dataset


def build_dataset(
    fo: Any,
    name: str,
    table: ReviewTable,
    sizes: Int[np.ndarray, "n 2"],
    about: Mapping[str, Any],
    *,
    edges: Edges,
) -> Built:
    """Make the data set, or make it anew; return it.

    Tags of pictures and keypoints, and views that people saved, come over from the one of before,
    which is there until the new one is whole, and stays if not all of them can come over.

    Args:
        fo: the module ``fiftyone``, connected.
        name: of the data set.
        table: its pictures.
        sizes: height and width of each.
        about: what it was made from; kept in ``dataset.info["litpose"]``.
        edges: pairs of keypoints to draw a line between.

    Raises:
        DataError: the name is in use by a data set of somebody else.
    """
    old = find_ours(fo, name)
    marks = {} if old is None else marks_of(old)
    ids = {} if old is None else ids_of(old)
    scratch = f"{name} (being built)"
    dataset = fo.Dataset(scratch, persistent=False, overwrite=True)
    measures = measure(table)
    limit = wrong_px(sizes)
    _declare(fo, dataset, table, measures)
    grouped = any(table.views)
    documents = sample_documents(
        table, measures, sizes, dataset_id=dataset._doc.id, marks=marks, ids=ids, grouped=grouped
    )
    for batch in _batches(documents):
        dataset._sample_collection.insert_many(batch)
    dataset.info = {ABOUT: {**about, MARK: FORMAT, "wrong_px": limit}}
    dataset.default_skeleton = skeleton(fo, table.keypoint_names, edges)
    _set_appearance(fo, dataset, table, measures)
    dataset.save()
    views = our_views(dataset, table.models, limit)
    for title, (view, words) in views.items():
        dataset.save_view(title, view, description=words)
    made_here = set() if old is None else set(our_views(old, models_of(old), limit))
    shown = marks_of(dataset) if marks else {}
    lost = take_over(fo, old, dataset, name, marks=(marks, shown), ours={*views, *made_here})
    return Built(
        dataset=dataset,
        pictures=len(table),
        kept=len(shown),
        lost=lost,
        views={title: len(view) for title, (view, _) in views.items()},
        wrong_px=limit,
    )


def models_of(dataset: Any) -> list[str]:
    """Return the names of the models that a review compares."""
    return [run["name"] for run in dataset.info[ABOUT]["runs"]]


def colour_scheme(fo: Any, fields: Sequence[str], colours: Sequence[str] = COLOURS) -> Any:
    """Return how keypoints are drawn: with lines, all of a field in its colour."""
    pairs = zip(fields, itertools.cycle(colours))
    return fo.ColorScheme(
        color_by="field",
        color_pool=list(COLOURS),
        multicolor_keypoints=False,
        show_skeletons=True,
        opacity=0.9,
        fields=[{"path": path, "fieldColor": colour} for path, colour in pairs],
    )


def skeleton(fo: Any, names: Sequence[str], edges: Edges) -> Any:
    """Return the skeleton that FiftyOne draws: the keypoints, and the pairs it joins."""
    joined = [[names.index(one), names.index(other)] for one, other in edges]
    return fo.KeypointSkeleton(labels=list(names), edges=joined)


def _declare(fo: Any, dataset: Any, table: ReviewTable, measures: Measures) -> None:
    """Tell FiftyOne which fields there are."""
    if any(table.views):
        views = list(dict.fromkeys(table.views))
        dataset.add_group_field(GROUP, default=views[0])
        for view in views:
            dataset.add_group_slice(view, "image")
    else:
        dataset.media_type = "image"
    for points in (GROUND_TRUTH, *model_fields(table.models)):
        dataset.add_sample_field(points, fo.EmbeddedDocumentField, embedded_doc_type=fo.Keypoints)
        for number in POINT_NUMBERS if points != GROUND_TRUTH else ():
            dataset.add_sample_field(
                f"{points}.keypoints.{number}", fo.ListField, subfield=fo.FloatField
            )
    for name in TEXTS:
        dataset.add_sample_field(name, fo.StringField)
    dataset.add_sample_field("frame", fo.IntField, description="0-based, as in the csv")
    dataset.add_sample_field("labelled", fo.BooleanField)
    for name in (*NUMBERS, *_numbers_of_models(table.models, measures)):
        dataset.add_sample_field(name, fo.FloatField)


def _numbers_of_models(models: Sequence[str], measures: Measures) -> list[str]:
    return [
        name
        for model in model_fields(models)
        for name in (*number_fields(model, measures), max_error_field(model))
    ]


def _set_appearance(fo: Any, dataset: Any, table: ReviewTable, measures: Measures) -> None:
    """Set what the app shows when it is opened: all points with lines, a colour a model."""
    fields = model_fields(table.models)
    config = dataset.app_config
    config.color_scheme = colour_scheme(fo, [GROUND_TRUTH, *fields], (GREEN, *COLOURS))
    config.active_fields = fo.ActiveFields(exclude=False, paths=[GROUND_TRUTH, *fields])

    def group(name: str, paths: Sequence[str], *, expanded: bool = True) -> Any:
        return fo.SidebarGroupDocument(name=name, paths=list(paths), expanded=expanded)

    config.sidebar_groups = [
        group("tags", ["tags", "_label_tags"]),
        group("keypoints", [GROUND_TRUTH, *fields]),
        group("comparison", ["winner", "worst_keypoint", *NUMBERS]),
        group("picture", ["split", "distribution", "session", "view", "labelled", "image"]),
        group("video", ["video", "frame", "chosen_for"], expanded=False),
        *(
            group(model, [*number_fields(field, measures), max_error_field(field)], expanded=False)
            for model, field in zip(table.models, fields, strict=True)
        ),
        group(
            "metadata",
            [f"metadata.{name}" for name in METADATA],
            expanded=False,
        ),
        group(
            "other",
            ["id", "filepath", "label_file", "created_at", "last_modified_at"],
            expanded=False,
        ),
    ]


def _batches(documents: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(itertools.islice(documents, AT_ONCE)):
        yield batch
