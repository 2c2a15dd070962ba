"""Where labels came from: a csv beside the label file, one row a keypoint that a merge changed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import file_sha256, write_atomically, write_text
from lightning_pose.data.label_versions import KeypointChange, Point

DIGITS = 12
ENDING = ".history.csv"


@dataclass(frozen=True, kw_only=True)
class Merge:
    """One merge.

    Attributes:
        merged: when, ISO 8601, UTC.
        who: the person who merged.
        worklist, worklist_sha256: the file the corrections came from.
        labels_sha256: of the label file before.
        result_sha256: of the label file that was written.
    """

    merged: str
    who: str
    worklist: str
    worklist_sha256: str
    labels_sha256: str
    result_sha256: str


POINT = ("x", "y", "visible")
COLUMNS = (
    *Merge.__dataclass_fields__,
    "image",
    "keypoint",
    "change",
    *(f"{name}_before" for name in POINT),
    *(f"{name}_after" for name in POINT),
)


def history_file(labels: Path) -> Path:
    """Return the name of the history of a label file."""
    return labels.with_name(f"{labels.stem}{ENDING}")


def is_history(path: Path) -> bool:
    """Tell by its name whether a csv is the history of labels, and no label file."""
    return path.name.endswith(ENDING)


def read_history(labels: Path) -> list[dict[str, str]]:
    """Return the rows of the history of a label file; none if it has none.

    Raises:
        DataError: it has other columns.
    """
    path = history_file(labels)
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise DataError(f"{path} is no history of labels; move it away, and merge again.")
    return rows


def write_history(
    labels: Path, merge: Merge, changes: Sequence[KeypointChange], *, before: Path
) -> Path:
    """Add a merge to the history of a label file; return the history's path.

    Args:
        labels: the file that is written.
        merge: who, when, from what.
        changes: what it changed.
        before: the label file that was merged into; its history is carried over.

    Raises:
        DataError: a file of the history's name is none.
        WriteError: it cannot be written.
    """
    rows = read_history(before)
    known = {tuple(row.values()) for row in rows}
    rows += [row for row in read_history(labels) if tuple(row.values()) not in known]
    about = {name: str(value) for name, value in asdict(merge).items()}
    rows += [about | _row(change) for change in changes]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return write_text(history_file(labels), text.getvalue())


def keep_backup(path: Path) -> Path:
    """Copy a file to ``<name>.<hash>.bak`` beside it; return the copy.

    The name holds the content's hash, so that no backup replaces another.
    """
    backup = path.with_name(f"{path.name}.{file_sha256(path)[:DIGITS]}.bak")
    if backup.is_file() and file_sha256(backup) == file_sha256(path):
        return backup
    return write_atomically(backup, lambda temporary: temporary.write_bytes(path.read_bytes()))


def _row(change: KeypointChange) -> dict[str, str]:
    row = {"image": change.image, "keypoint": change.keypoint, "change": change.change.value}
    for when, point in (("before", change.before), ("after", change.after)):
        row |= {f"{name}_{when}": text for name, text in _cells(point).items()}
    return row


def _cells(point: Point) -> dict[str, str]:
    if not point.is_labelled:
        return dict.fromkeys(POINT, "")
    seen = "" if point.visible is None else str(point.visible)
    return {"x": repr(point.x), "y": repr(point.y), "visible": seen}
