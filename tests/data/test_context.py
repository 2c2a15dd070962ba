"""Neighbouring frames are found by number; where there is none, the image itself stands in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.context import NeighbourFinder, inspect_context
from lightning_pose.data.labels import read_labels

MakeTable = Callable[..., LabelTable]


def window(folder: Path, names: list[str], centre: str) -> list[str]:
    for name in names:
        (folder / name).touch()
    return [path.name for path in NeighbourFinder().window(folder / centre, 5)]


@pytest.mark.parametrize(
    ("names", "centre", "expected"),
    [
        pytest.param(
            [f"img{i:08d}.png" for i in range(8, 13)],
            "img00000010.png",
            [f"img{i:08d}.png" for i in range(8, 13)],
            id="zeros kept",
        ),
        pytest.param(
            ["img8.png", "img9.png", "img10.png", "img11.png", "img12.png"],
            "img10.png",
            ["img8.png", "img9.png", "img10.png", "img11.png", "img12.png"],
            id="no zeros, the width changes",
        ),
        pytest.param(
            ["img98.png", "img99.png", "img100.png", "img101.png"],
            "img99.png",
            ["img99.png", "img98.png", "img99.png", "img100.png", "img101.png"],
            id="width grows, one missing",
        ),
        pytest.param(
            ["img000.png", "img001.png", "img002.png"],
            "img000.png",
            ["img000.png", "img000.png", "img000.png", "img001.png", "img002.png"],
            id="start of a video",
        ),
        pytest.param(
            ["cam2_img04_crop.png", "cam2_img05_crop.png", "cam1_img05_crop.png"],
            "cam2_img05_crop.png",
            [
                "cam2_img05_crop.png",
                "cam2_img04_crop.png",
                *["cam2_img05_crop.png"] * 3,
            ],
            id="the last group of digits counts",
        ),
        pytest.param(["frame.png"], "frame.png", ["frame.png"] * 5, id="no digits"),
        pytest.param(
            ["img1.png", "img2.jpg"], "img1.png", ["img1.png"] * 5, id="another suffix is another"
        ),
    ],
)
def test_neighbours_are_found_by_name(
    tmp_path: Path, names: list[str], centre: str, expected: list[str]
) -> None:
    assert window(tmp_path, names, centre) == expected


def test_one_frame_of_context_is_the_image_itself(tmp_path: Path) -> None:
    assert NeighbourFinder().window(tmp_path / "img1.png", 1) == [tmp_path / "img1.png"]


def test_the_report_counts_images_with_all_some_and_no_neighbours(
    make_table: MakeTable, tmp_path: Path
) -> None:
    table = make_table(images=("a/img10.png", "a/img13.png", "b/img1.png"))
    for number in (8, 9, 11, 12, 14):
        (tmp_path / f"a/img{number}.png").touch()
    report = inspect_context([table])
    assert (report.complete, report.partial, report.alone) == (1, 1, 1)
    assert report.neighbours == 4 + 3
    assert report.labelled_neighbours == 0
    (warning,) = report.warnings()
    assert "2 of 3 labelled images lack neighbouring frames beside them (1 have none)" in warning


def test_a_tracker_without_context_has_nothing_to_report(make_table: MakeTable) -> None:
    assert inspect_context([make_table()], context=1).warnings() == []


def test_the_examples_neighbours_are_told_to_be_labelled_images(example_data: Path) -> None:
    """Its files are numbered 00 to 92 and 90 of them labelled: not consecutive frames."""
    root = example_data / "mirror-mouse-example"
    table = read_labels(root / "CollectedData.csv", data_dir=root)
    report = inspect_context([table])
    assert report.complete == 90 - 1
    assert report.neighbours == 4 * 90 - 1
    assert any("not consecutive frames" in warning for warning in report.warnings())
