"""Label files of new sessions are found beside the one trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.data.out_of_distribution import find_ood_files


def touched(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def test_new_and_test_files_are_found(tmp_path: Path) -> None:
    label_file, new, test = touched(tmp_path, "Labels.csv", "Labels_new.csv", "Labels_test.csv")
    assert find_ood_files([label_file]) == {"new": (new,), "test": (test,)}


def test_other_files_are_not(tmp_path: Path) -> None:
    label_file, *_ = touched(tmp_path, "Labels.csv", "Labels_old.csv", "Other_new.csv")
    assert find_ood_files([label_file]) == {}


def test_every_view_has_its_own(tmp_path: Path) -> None:
    top, side, *new = touched(
        tmp_path, "D_top.csv", "D_side.csv", "D_top_new.csv", "D_side_new.csv"
    )
    assert find_ood_files([top, side]) == {"new": tuple(new)}


def test_a_view_without_its_file_is_named(tmp_path: Path) -> None:
    top, side, _ = touched(tmp_path, "D_top.csv", "D_side.csv", "D_top_new.csv")
    with pytest.raises(DataError, match=r"D_top_new\.csv is there, but not D_side_new\.csv"):
        find_ood_files([top, side])
