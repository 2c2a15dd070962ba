"""Label files of several cameras must show the same moments, row by row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.views import check_views_match


def view(name: str, *images: str) -> LabelTable:
    return LabelTable(
        images=images,
        xy_img=np.zeros((len(images), 2, 2)),
        keypoint_names=("nose", "tail"),
        root=Path("/nowhere"),
        source=Path(f"CollectedData_{name}.csv"),
    )


@pytest.mark.parametrize(
    ("top", "side"),
    [
        ("labeled-data/day1_top/img0012.png", "labeled-data/day1_side/img0012.png"),
        ("labeled-data/day1-top/img0012.png", "labeled-data/day1-side/img12.png"),
        ("labeled-data/top_day1/img12.png", "labeled-data/side_day1/img12.png"),
        ("top/day1/img12.png", "side/day1/img12.png"),
        ("day1/img12_top.png", "day1/img12_side.png"),
        ("stop_top/img12.png", "stop_side/img12.png"),
    ],
)
def test_the_same_session_and_frame_match_however_the_view_is_named(top: str, side: str) -> None:
    check_views_match([view("top", top), view("side", side)], view_names=["top", "side"])


def test_views_named_with_digits_do_not_pass_for_frame_numbers() -> None:
    first, second = view("cam1", "s_cam1/img7_cam1.png"), view("cam2", "s_cam2/img7_cam2.png")
    check_views_match([first, second], view_names=["cam1", "cam2"])


def test_one_view_needs_no_name() -> None:
    check_views_match([view("top", "a/img1.png")], view_names=[])


@pytest.mark.parametrize("other", ["s_side/img3.png", "t_side/img2.png"])
def test_the_first_row_that_differs_is_named(other: str) -> None:
    top = view("top", "s_top/img1.png", "s_top/img2.png")
    side = view("side", "s_side/img1.png", other)
    with pytest.raises(DataError, match=rf"Row 2 differs .* has s_top/img2\.png, .* has {other}"):
        check_views_match([top, side], view_names=["top", "side"])


def test_a_row_too_many_is_named() -> None:
    top = view("top", "s_top/img1.png", "s_top/img2.png")
    side = view("side", "s_side/img1.png")
    for tables, names in ([[top, side], ["top", "side"]], [[side, top], ["side", "top"]]):
        with pytest.raises(DataError, match=r"without a match is s_top/img2\.png"):
            check_views_match(tables, view_names=names)


def test_other_keypoints_are_named() -> None:
    top, side = view("top", "s_top/img1.png"), view("side", "s_side/img1.png")
    with pytest.raises(DataError, match=r"has nose, tail; CollectedData_side\.csv has tail, nose"):
        check_views_match(
            [top, replace(side, keypoint_names=("tail", "nose"))], view_names=["top", "side"]
        )


@pytest.mark.parametrize(
    ("names", "said"),
    [(["top"], "2 label files .* and 1 view name"), (["top", "top"], "a name twice: top, top")],
)
def test_every_file_needs_a_name_of_its_own(names: list[str], said: str) -> None:
    top, side = view("top", "s_top/img1.png"), view("side", "s_side/img1.png")
    with pytest.raises(DataError, match=said):
        check_views_match([top, side], view_names=names)
