"""Worklists: frames handed to a person to label or to correct, and how they come back.

A worklist is a label csv like any other, so that every label tool that takes our labels takes it,
and beside it ``<stem>.worklist.json`` with what the labels were when it was made::

    {"format": "litpose-worklist-1",
     "made": "2026-11-21T17:00:00+00:00",
     "source": "litpose review export mouse --tag to_label",
     "labels": {"path": "CollectedData.csv", "sha256": "..."},
     "base": {"labeled-data/a/img01.png": {"nose": [12.5, 30.0], "tail": [80.0, 31.5]}},
     "handed_out": {"labeled-data/a/img01.png": {"nose": [14.0, 30.0], "tail": [80.0, 31.5]}},
     "frames": {"labeled-data/a/img01.png": {"tags": ["bad_label"]}}}

``base`` holds the labels of then, ``handed_out`` what the csv showed (a prediction, say, as a
proposal); a point that is not named was not labelled. A third number of a point is ``visible``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import file_sha256, write_text
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_studio import read_tasks
from lightning_pose.data.label_versions import Point, points_of
from lightning_pose.data.labels import read_labels, write_labels

FORMAT = "litpose-worklist-1"
SUFFIX = ".worklist.json"


@dataclass(frozen=True, kw_only=True)
class Worklist:
    """A worklist as it came back.

    Attributes:
        table: its labels now.
        base: labels of its images when it was made; None = the file beside it is missing.
        handed_out: points that its csv had then; None = unknown.
        labels_sha256: of the label file it was made from; empty if unknown.
        about: the rest of the file beside it.
    """

    table: LabelTable
    base: dict[tuple[str, str], Point] | None = None
    handed_out: dict[tuple[str, str], Point] | None = None
    labels_sha256: str = ""
    about: dict[str, Any] = field(default_factory=dict[str, Any])


def worklist_note(path: Path) -> Path:
    """Return the name of the file beside a worklist."""
    return path.with_name(f"{path.stem}{SUFFIX}")


def worklist_names(sources: Sequence[str | Path]) -> tuple[str, ...]:
    """Return what the names of worklists end in, so that those of several label files differ.

    Label files of one name are told apart by their folders, else by a number.

    Args:
        sources: label files, one a worklist; an empty text stands for one that is not known.

    Returns:
        Names that no two share, on a disk that ignores case either; a single one is empty.

    Example:
        >>> worklist_names(["CollectedData.csv"])
        ('',)
        >>> worklist_names(["a/CollectedData.csv", "a/CollectedData_new.csv"])
        ('CollectedData', 'CollectedData_new')
        >>> worklist_names(["a/CollectedData.csv", "b/CollectedData.csv"])
        ('a_CollectedData', 'b_CollectedData')
    """
    if len(sources) < 2:
        return ("",) * len(sources)
    paths = [PurePath(source) for source in sources]
    parts = [(*path.relative_to(path.anchor).parts[:-1], path.stem) for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = tuple("_".join(one[-depth:]) for one in parts)
        if len({name.casefold() for name in names}) == len(names):
            return names
    return tuple(f"{number}_{path.stem}" for number, path in enumerate(paths, 1))


def write_worklist(
    table: LabelTable,
    path: Path,
    *,
    labels: LabelTable | None,
    source: str,
    made: str,
    frames: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write a worklist and the file beside it; return ``path``.

    Args:
        table: what the person shall see: labels to correct, proposals, or empty cells.
        path: of the csv.
        labels: the labels of now, to which the worklist will come back; None = there are none yet.
        source: who made it, a command line say.
        made: when, ISO 8601.
        frames: more on single images: tags, error, and the like.

    Raises:
        DataError: the file of ``labels`` cannot be read.
        WriteError: one of the two files cannot be written.
    """
    known = points_of(labels) if labels is not None else {}
    images = set(table.images)
    note: dict[str, Any] = {"format": FORMAT, "made": made, "source": source}
    if labels is not None and labels.source is not None:
        note["labels"] = {"path": str(labels.source), "sha256": file_sha256(labels.source)}
    note["base"] = _plain({place: point for place, point in known.items() if place[0] in images})
    note["handed_out"] = _plain(points_of(table))
    note["frames"] = dict(frames or {})
    write_text(worklist_note(path), json.dumps(note, indent=1) + "\n")
    return write_labels(table, path)


def read_worklist(path: Path, *, data_dir: Path) -> Worklist:
    """Return a worklist, csv, h5 or JSON of Label Studio, and what the file beside it says.

    Raises:
        DataError: one of the two cannot be read.
    """
    read = read_tasks if path.suffix.lower() == ".json" else read_labels
    table = read(path, data_dir=data_dir)
    beside = worklist_note(path)
    if not beside.is_file():
        return Worklist(table=table)
    try:
        note = dict(json.loads(beside.read_text(encoding="utf-8")))
        if note.get("format") != FORMAT:
            raise ValueError(f"its format is {note.get('format')!r}, not {FORMAT!r}")
        return Worklist(
            table=table,
            base=_points(note["base"]),
            handed_out=_points(note["handed_out"]) if "handed_out" in note else None,
            labels_sha256=str(note.get("labels", {}).get("sha256", "")),
            about={k: v for k, v in note.items() if k not in ("base", "handed_out", "labels")},
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{beside} is not readable ({error}). Bring it back as it was exported, or move it "
            "away: then every label of the worklist counts as a correction."
        ) from error


def _plain(points: Mapping[tuple[str, str], Point]) -> dict[str, dict[str, list[float | int]]]:
    plain: dict[str, dict[str, list[float | int]]] = {}
    for (image, keypoint), point in points.items():
        row = plain.setdefault(image, {})
        if point.is_labelled:
            seen = [] if point.visible is None else [point.visible]
            row[keypoint] = [point.x, point.y, *seen]
    return plain


def _points(plain: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], Point]:
    points = {}
    for image, row in plain.items():
        for keypoint, (x, y, *seen) in row.items():
            visible = int(seen[0]) if seen else None
            points[image, keypoint] = Point(x=float(x), y=float(y), visible=visible)
    return points
