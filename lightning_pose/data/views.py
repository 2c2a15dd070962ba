"""Several cameras: one label file a view, whose rows must show the same moments.

Images of one session lie in folders named ``<session>_<view>``; a row matches if session and frame
number do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.context import LAST_DIGITS
from lightning_pose.data.wording import count, listed

_SEPARATORS = re.compile(r"[_\-. ]+")


def check_views_match(tables: Sequence[LabelTable], *, view_names: Sequence[str]) -> None:
    """Check that the label files of all views have the same keypoints, sessions and frames.

    Args:
        tables: one a view.
        view_names: their names, in the same order.

    Raises:
        DataError: they do not match; the message names the first difference.
    """
    if len(tables) == 1:
        return
    if len(view_names) != len(tables):
        raise DataError(
            f"There are {len(tables)} label files (data.csv_file) and "
            f"{count(len(view_names), 'view name')} (data.view_names); each file needs one name."
        )
    if len(set(view_names)) < len(view_names):
        raise DataError(f"data.view_names has a name twice: {', '.join(view_names)}.")
    first, first_name = tables[0], view_names[0]
    for table, name in zip(tables[1:], view_names[1:], strict=True):
        _check_keypoints(first, table)
        _check_rows(first, first_name, table, name)


def moment(image: str, view_name: str) -> tuple[tuple[str, ...], str | int]:
    """Return the session and frame number of an image, its view's name taken out.

    Args:
        image: path, as a label file has it.
        view_name: of its camera; empty for a single view.

    Returns:
        The folders, the session's last, all separators of words made one (_), and the last number
        of the file's name, or the name if there is none.

    Example:
        >>> moment("labeled-data/walk1_side/img0012.png", "side")
        (('labeled_data', 'walk1'), 12)
    """
    own_name = re.compile(rf"(?<![A-Za-z0-9]){re.escape(view_name)}(?![A-Za-z0-9])")
    path = PurePosixPath(own_name.sub("", image))
    parts = (_SEPARATORS.sub("_", part).strip("_") for part in path.parent.parts)
    digits = LAST_DIGITS.search(path.stem)
    return tuple(part for part in parts if part), int(digits[1]) if digits else path.stem


def _check_keypoints(first: LabelTable, other: LabelTable) -> None:
    if first.keypoint_names != other.keypoint_names:
        raise DataError(
            f"Views must have the same keypoints in the same order: {first.source} has "
            f"{listed(first.keypoint_names)}; {other.source} has {listed(other.keypoint_names)}."
        )


def _check_rows(first: LabelTable, first_name: str, other: LabelTable, name: str) -> None:
    for row, (image, other_image) in enumerate(zip(first.images, other.images, strict=False)):
        if moment(image, first_name) != moment(other_image, name):
            raise DataError(
                f"Row {row + 1} differs between views: {first.source} has {image}, {other.source} "
                f"has {other_image}. Each row must be the same session and frame number in every "
                "view (folders <session>_<view>)."
            )
    if len(first) != len(other):
        longer = first if len(first) > len(other) else other
        raise DataError(
            f"Views must have the same rows: {first.source} has {len(first)}, {other.source} has "
            f"{len(other)}; the first one without a match is "
            f"{longer.images[min(len(first), len(other))]}."
        )
