"""Findings about labels name the rows they are about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_checks import (
    LabelReport,
    checked_labels,
    inspect_positions,
    inspect_table,
)

MakeTable = Callable[..., LabelTable]


def test_a_sound_table_gives_no_finding(make_table: MakeTable) -> None:
    _, warnings = checked_labels(make_table())
    assert warnings == []


def test_duplicate_rows_are_an_error_with_their_numbers(make_table: MakeTable) -> None:
    table = make_table(images=("a.png", "b.png", "a.png"))
    (error,) = inspect_table(table).errors
    assert "a.png (rows 1 and 3)" in error


def test_missing_images_are_an_error_with_their_names(make_table: MakeTable) -> None:
    table = make_table(4)
    table.path(1).unlink()
    (error,) = inspect_table(table).errors
    assert "1 of 4 images not found" in error
    assert table.images[1] in error
    assert str(table.root) in error


def test_an_image_whose_name_is_too_long_is_missing(make_table: MakeTable) -> None:
    (error,) = inspect_table(make_table(images=(f"{'a' * 300}.png",), hw=None)).errors
    assert "1 of 1 image not found" in error


def test_all_errors_are_raised_together(make_table: MakeTable) -> None:
    table = make_table(images=("a.png", "b.png", "a.png"))
    table.path(1).unlink()
    with pytest.raises(DataError, match=r"(?s)for 2 reasons:.*more than once.*not found"):
        checked_labels(table)


def test_no_label_at_all_is_an_error(make_table: MakeTable) -> None:
    table = make_table(2, xy_img=np.full((2, 3, 2), np.nan))
    with pytest.raises(DataError, match="no label at all in its 2 rows"):
        checked_labels(table)


def test_no_row_at_all_is_an_error(make_table: MakeTable) -> None:
    table = make_table(1).rows(np.zeros(0, dtype=int))
    with pytest.raises(DataError, match="has a header but no rows"):
        checked_labels(table)


def test_rows_without_labels_are_a_warning(make_table: MakeTable) -> None:
    table = make_table(4)
    table.xy_img[2] = np.nan
    _, (warning,) = checked_labels(table)
    assert "1 row without any label" in warning
    assert table.images[2] in warning


def test_a_keypoint_never_labelled_is_a_warning(make_table: MakeTable) -> None:
    table = make_table()
    table.xy_img[:, 1] = np.nan
    _, (warning,) = checked_labels(table)
    assert "never labelled in any row: tail" in warning


def test_one_labelled_image_is_a_warning(make_table: MakeTable) -> None:
    table = make_table(1)
    _, (warning,) = checked_labels(table)
    assert f"one labelled image only: {table.images[0]}" in warning


def test_labels_at_the_origin_are_a_warning(make_table: MakeTable) -> None:
    table = make_table()
    table.xy_img[3, 0] = 0
    _, (warning,) = checked_labels(table)
    assert "exactly at (0, 0)" in warning
    assert f"nose in {table.images[3]}" in warning


def test_a_label_outside_its_image_is_a_warning_with_place_and_size(make_table: MakeTable) -> None:
    table = make_table()
    table.xy_img[3, 0] = 61, 5
    _, (warning,) = checked_labels(table)
    assert "1 label outside the image" in warning
    assert f"nose in {table.images[3]} (x 61, y 5; the image is 60 x 40)" in warning


@pytest.mark.parametrize(
    ("point", "is_outside"),
    [
        ((-0.5, -0.5), False),
        ((59.5, 39.5), False),
        ((59.6, 39.5), True),
        ((59.5, 39.6), True),
        ((-0.6, 0), True),
    ],
)
def test_an_image_ends_half_a_pixel_beyond_its_outer_centres(
    make_table: MakeTable, point: tuple[float, float], is_outside: bool
) -> None:
    table = make_table()
    table.xy_img[0, 0] = point
    sizes = np.tile([40, 60], (len(table), 1))
    assert bool(inspect_positions(table, sizes).warnings) is is_outside


def test_mostly_labels_outside_are_an_error(make_table: MakeTable) -> None:
    table = make_table()
    larger = replace(table, xy_img=table.xy_img + 100)
    with pytest.raises(DataError, match="images of another size"):
        checked_labels(larger)


def test_reports_add_up() -> None:
    first = LabelReport(errors=("a",), warnings=("b",))
    second = LabelReport(errors=("c",), warnings=("d",))
    assert first + second == LabelReport(errors=("a", "c"), warnings=("b", "d"))


def test_long_lists_are_cut(make_table: MakeTable) -> None:
    table = make_table(12, hw=None)
    (error,) = inspect_table(table).errors
    assert "and 7 more" in error
