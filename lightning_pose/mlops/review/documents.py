"""The rows of a review as documents of the review database.

FiftyOne's own way to add samples takes 55 to 135 of these a second; documents as it stores them,
written in bulk, take thousands (benchmarks/bench_review.py). That they are the same is tested.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from lightning_pose.mlops.review.fields import (
    GROUND_TRUTH,
    GROUP,
    max_error_field,
    model_fields,
    number_fields,
)
from lightning_pose.mlops.review.measures import Measures
from lightning_pose.mlops.review.table import PIXEL_ERROR, ReviewTable

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What people marked on one picture.

    Attributes:
        tags: of the picture.
        label_tags: of the keypoints, by field.
    """

    tags: tuple[str, ...] = ()
    label_tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def are_in(self, others: Marks) -> bool:
        """Tell whether all of them are among others."""
        return set(self.tags) <= set(others.tags) and all(
            set(tags) <= set(others.label_tags.get(field, ()))
            for field, tags in self.label_tags.items()
        )


def sample_documents(
    table: ReviewTable,
    measures: Measures,
    sizes: Int[np.ndarray, "n 2"],
    *,
    dataset_id: Any,
    marks: Mapping[tuple[str, str], Marks],
    ids: Mapping[tuple[str, str], str],
    grouped: bool,
) -> Iterator[Document]:
    """Yield one document a picture.

    Args:
        table: the pictures.
        measures: of them.
        sizes: height and width of each picture, by which coordinates are divided.
        dataset_id: of the data set they go into.
        marks: by image and view, carried over from an earlier build.
        ids: likewise, so that views that name pictures still show them.
        grouped: whether pictures of one moment form a group, a view each.
    """
    from bson import ObjectId

    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    groups = {name: ObjectId() for name in dict.fromkeys(table.groups)}
    fields = model_fields(table.models)
    shown = _keypoints_of(table, measures, sizes)
    plain_sizes = sizes.tolist()
    columns = _columns(table, measures, fields)
    free = {place: ObjectId(one) for place, one in ids.items()}
    for row in range(len(table)):
        height, width = plain_sizes[row]
        place = (table.images[row], table.views[row])
        marked = marks.get(place, Marks())
        document: Document = {
            "_id": free.pop(place, None) or ObjectId(),
            "filepath": str(table.files[row]),
            "tags": list(marked.tags),
            "metadata": {"_cls": "ImageMetadata", "width": width, "height": height},
            "_media_type": "image",
            "_rand": random.random(),
            "_dataset_id": dataset_id,
            "created_at": now,
            "last_modified_at": now,
            **{name: values[row] for name, values in columns.items() if values[row] is not None},
        }
        if grouped:
            document[GROUP] = {"_id": groups[table.groups[row]], "_cls": "Group"}
            document[GROUP]["name"] = table.views[row]
        for name, lists in shown.items():
            tags = marked.label_tags.get(name, ())
            keypoint = {"_id": ObjectId(), "_cls": "Keypoint", "attributes": {}}
            if lists["known"][row]:
                keypoint |= {"tags": list(tags), "label": name}
                keypoint |= {part: lists[part][row] for part in lists if part != "known"}
                document[name] = {"_cls": "Keypoints", "keypoints": [keypoint]}
        yield document


def normalised(
    xy_img: Float[np.ndarray, "n k 2"], sizes: Int[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n k 2"]:
    """Return coordinates as shares of the width and height of each picture; NaN stays NaN."""
    return xy_img / sizes[:, None, ::-1]


def _keypoints_of(
    table: ReviewTable, measures: Measures, sizes: Int[np.ndarray, "n 2"]
) -> dict[str, dict[str, list[Any]]]:
    """Return what is stored of the labels and of each model: a list of lists a part.

    ``known`` tells which pictures have a point at all.
    """
    spread = measures.spread.tolist()
    parts: dict[str, dict[str, Any]] = {
        GROUND_TRUTH: {"points": normalised(table.label_xy, sizes).tolist()}
    }
    known = {GROUND_TRUTH: table.label_xy}
    for model, name in enumerate(model_fields(table.models)):
        known[name] = table.xy[model]
        parts[name] = {
            "points": normalised(table.xy[model], sizes).tolist(),
            "confidence": table.confidence[model].tolist(),
            PIXEL_ERROR: table.error[model].tolist(),
            "spread": spread,
        }
    for name, xy in known.items():
        parts[name]["known"] = (~np.isnan(xy).all((1, 2))).tolist()
    return parts


def _columns(
    table: ReviewTable, measures: Measures, fields: Sequence[str]
) -> dict[str, Sequence[Any]]:
    """Return the plain fields, a value or None a picture."""
    columns: dict[str, Sequence[Any]] = {
        "image": table.images,
        "session": table.sessions,
        "view": [view or None for view in table.views],
        "split": table.splits,
        "distribution": table.distributions,
        "video": [video or None for video in table.videos],
        "chosen_for": [reason or None for reason in table.reasons],
        "label_file": [file or None for file in table.label_files],
        "labelled": table.labelled,
        "frame": [frame if frame >= 0 else None for frame in table.frames.tolist()],
        "winner": _named(measures.winner, table.models),
        "worst_keypoint": _named(measures.worst_keypoint, table.keypoint_names),
    }
    for name in ("difference", "disagreement", "confident_error", "suspect_error"):
        columns[name] = _or_none(getattr(measures, name))
    for model, name in enumerate(fields):
        for column, measured in number_fields(name, measures).items():
            columns[column] = _or_none(measures.mean[measured][model])
        columns[max_error_field(name)] = _or_none(measures.max_error[model])
    return columns


def _named(numbers: Int[np.ndarray, " n"], names: Sequence[str]) -> list[str | None]:
    known: dict[int, str] = dict(enumerate(names))
    return [known.get(int(number)) for number in numbers]


def _or_none(values: Float[np.ndarray, " n"]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
