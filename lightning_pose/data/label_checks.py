"""Do the labels make sense? Every finding names the rows it is about."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import is_file
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.image_files import image_size
from lightning_pose.data.wording import count, listed

MOSTLY_OUTSIDE = 0.5


@dataclass(frozen=True, kw_only=True)
class LabelReport:
    """What is wrong with a label table.

    Attributes:
        errors: what makes it unusable.
        warnings: what a user should know.
    """

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: LabelReport) -> LabelReport:
        return LabelReport(
            errors=self.errors + other.errors, warnings=self.warnings + other.warnings
        )

    def raise_errors(self) -> None:
        """Raise one DataError that lists all errors, if there are any."""
        if len(self.errors) == 1:
            raise DataError(self.errors[0])
        if self.errors:
            lines = "\n".join(f"- {error}" for error in self.errors)
            raise DataError(f"The labels cannot be used, for {len(self.errors)} reasons:\n{lines}")


def checked_labels(table: LabelTable) -> tuple[LabelTable, list[str]]:
    """Return the labels that can be scored, and warnings; looks at the image files' sizes.

    Raises:
        DataError: the table cannot be used; the message lists every reason.
    """
    report = inspect_table(table)
    report.raise_errors()
    sizes = np.array([image_size(table.path(row)) for row in range(len(table))])
    report += inspect_positions(table, sizes)
    report.raise_errors()
    return without_outside(table, sizes), list(report.warnings)


def inspect_table(table: LabelTable) -> LabelReport:
    """Return what is wrong with a table and the files it names, without opening an image."""
    name = _name(table)
    if not len(table):
        return LabelReport(errors=(f"{name} has a header but no rows.",))
    labelled = table.labelled
    errors = [*duplicate_images(table), *_missing_files(table, name)]
    if not labelled.any():
        errors.append(f"{name} has no label at all in its {count(len(table), 'row')}.")
        return LabelReport(errors=tuple(errors))
    warnings = [
        *_rows_without_labels(table, name, labelled),
        *_keypoints_without_labels(table, name, labelled),
        *_labels_at_origin(table, name),
    ]
    if labelled.any(-1).sum() == 1:
        row = int(np.flatnonzero(labelled.any(-1))[0])
        warnings.append(f"{name} has one labelled image only: {table.images[row]}.")
    return LabelReport(errors=tuple(errors), warnings=tuple(warnings))


def inspect_positions(table: LabelTable, sizes: Int[np.ndarray, "n 2"]) -> LabelReport:
    """Return which labels lie outside their image; most of them outside is an error.

    Args:
        table: the labels.
        sizes: height and width of each row's image, in pixels.
    """
    name = _name(table)
    outside = _outside(table, sizes)
    if not outside.any():
        return LabelReport()
    places = [
        _place(table, sizes, row, keypoint) for row, keypoint in np.argwhere(outside).tolist()
    ]
    lie = f"{name}: {count(len(places), 'label')} outside the image: {listed(places)}."
    if outside.sum() > MOSTLY_OUTSIDE * table.labelled.sum():
        advice = " These labels belong to images of another size, or to a cropped copy."
        return LabelReport(errors=(lie + advice,))
    return LabelReport(warnings=(lie + " They are neither learnt nor scored.",))


def without_outside(table: LabelTable, sizes: Int[np.ndarray, "n 2"]) -> LabelTable:
    """Return the table with labels outside their image left out: such a label is a mistake.

    Args:
        table: the labels.
        sizes: height and width of each row's image, in pixels.
    """
    outside = _outside(table, sizes)
    if not outside.any():
        return table
    visible = None if table.visible is None else np.where(outside, 0, table.visible)
    xy_img = np.where(outside[..., None], np.nan, table.xy_img)
    return replace(table, xy_img=xy_img, visible=visible)


def _outside(table: LabelTable, sizes: Int[np.ndarray, "n 2"]) -> Bool[np.ndarray, "n k"]:
    limits = sizes[:, None, ::-1] - 0.5
    return np.any((table.xy_img < -0.5) | (table.xy_img > limits), axis=-1)


def _name(table: LabelTable) -> str:
    return str(table.source) if table.source is not None else "The label table"


def duplicate_images(table: LabelTable) -> list[str]:
    """Return a sentence on the images that have several rows, if there are any."""
    name = _name(table)
    times = Counter(table.images)
    twice = [image for image, number in times.items() if number > 1]
    if not twice:
        return []
    rows = {image: [] for image in twice}
    for row, image in enumerate(table.images):
        if image in rows:
            rows[image].append(str(row + 1))
    places = [f"{image} (rows {' and '.join(rows[image])})" for image in twice]
    return [f"{name} names these images more than once: {listed(places)}. Keep one row each."]


def _missing_files(table: LabelTable, name: str) -> list[str]:
    missing = [image for image in table.images if not is_file(table.root / image)]
    if not missing:
        return []
    return [
        f"{name}: {len(missing)} of {count(len(table), 'image')} not found under "
        f"{Path(table.root).resolve()}: {listed(missing)}. Image paths in the file are relative "
        "to data.data_dir."
    ]


def _rows_without_labels(
    table: LabelTable, name: str, labelled: Bool[np.ndarray, "n k"]
) -> list[str]:
    empty = [table.images[row] for row in np.flatnonzero(~labelled.any(-1))]
    if not empty:
        return []
    return [
        f"{name}: {count(len(empty), 'row')} without any label: {listed(empty)}. Rows "
        "that no view labels are not trained on."
    ]


def _keypoints_without_labels(
    table: LabelTable, name: str, labelled: Bool[np.ndarray, "n k"]
) -> list[str]:
    never = [table.keypoint_names[k] for k in np.flatnonzero(~labelled.any(0))]
    if not never:
        return []
    return [
        f"{name}: never labelled in any row: {listed(never)}. Predictions of it will mean nothing."
    ]


def _labels_at_origin(table: LabelTable, name: str) -> list[str]:
    at_origin = (table.xy_img == 0).all(-1)
    if not at_origin.any():
        return []
    places = [
        f"{table.keypoint_names[k]} in {table.images[row]}" for row, k in np.argwhere(at_origin)
    ]
    return [
        f"{name}: {count(len(places), 'label')} exactly at (0, 0), which some tools write for "
        f"'missing': {listed(places)}. Leave the cells empty if so."
    ]


def _place(table: LabelTable, sizes: Int[np.ndarray, "n 2"], row: int, keypoint: int) -> str:
    x, y = table.xy_img[row, keypoint]
    height, width = sizes[row]
    return (
        f"{table.keypoint_names[keypoint]} in {table.images[row]} "
        f"(x {x:g}, y {y:g}; the image is {width} x {height})"
    )
