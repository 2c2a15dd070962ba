"""Labels are checked before anything is trained; the toy data is drawn once, and edits kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightning_pose.cli.versions.preparing import draw_toy
from lightning_pose.contracts.errors import DataError
from tests.cli.conftest import NUM_LABELED, litpose

WANTED = {"version": 1, "seed": 0, "labeled": 2, "frames": 2}


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stand in for the drawing; return the numbers of labelled frames asked for."""
    drawn: list[int] = []

    def draw(out: Path, *, num_labeled: int, **_: int) -> Path:
        drawn.append(num_labeled)
        for name in ("labeled-data/new1/i.png", "labeled-data/walk1/i.png", "videos/v.mp4"):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(f"{num_labeled}")
        for name in ("CollectedData.csv", "CollectedData_new.csv"):
            (out / name).write_text(f"{num_labeled}")
        return out

    monkeypatch.setattr("lightning_pose.cli.versions.preparing.make_toy_dataset", draw)
    return drawn


def test_it_is_drawn_once(drawing: list[int], tmp_path: Path) -> None:
    for _ in range(2):
        draw_toy(tmp_path / "toy", WANTED)
    assert drawing == [2]
    assert (tmp_path / "toy/videos/v.mp4").is_file()


def test_other_numbers_draw_it_anew(drawing: list[int], tmp_path: Path) -> None:
    for number in (2, 3):
        draw_toy(tmp_path / "toy", {**WANTED, "labeled": number})
    assert (tmp_path / "toy/CollectedData.csv").read_text() == "3"
    assert (tmp_path / "toy/videos/v.mp4").read_text() == "3"


def test_edited_labels_are_kept_and_never_drawn_over(drawing: list[int], tmp_path: Path) -> None:
    draw_toy(tmp_path / "toy", WANTED)
    labels = tmp_path / "toy/CollectedData.csv"
    labels.write_text("edited")
    draw_toy(tmp_path / "toy", WANTED)
    with pytest.raises(DataError, match="was edited since it was drawn"):
        draw_toy(tmp_path / "toy", {**WANTED, "labeled": 3})
    assert labels.read_text() == "edited"


def test_what_a_killed_drawing_left_is_removed(drawing: list[int], tmp_path: Path) -> None:
    (tmp_path / "toy/.drawing.killed/videos").mkdir(parents=True)
    (tmp_path / "toy/labeled-data/half").mkdir(parents=True)
    draw_toy(tmp_path / "toy", WANTED)
    assert {path.name for path in (tmp_path / "toy").iterdir()} == {
        "CollectedData.csv",
        ".drawn.json",
        "labeled-data",
        "videos",
    }
    assert not (tmp_path / "toy/labeled-data/half").exists()


def test_labels_are_counted(toy: Path, tmp_path: Path) -> None:
    out = tmp_path / "data.json"
    done = litpose("prepare", toy, "--out", out, "--json")
    assert done.code == 0, done.err
    assert done.json == json.loads(out.read_text())
    assert done.json["CollectedData.csv"]["frames"] == NUM_LABELED
    assert done.json["CollectedData.csv"]["sessions"] == 2


def test_the_history_of_labels_is_no_label_file(toy: Path, tmp_path: Path) -> None:
    for file in toy.glob("*.csv"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "labeled-data").symlink_to(toy / "labeled-data")
    (tmp_path / "CollectedData.history.csv").write_text("merged,who\n")
    done = litpose("prepare", tmp_path, "--json")
    assert done.code == 0, done.err
    assert set(done.json) == {"CollectedData.csv", "CollectedData_new.csv"}


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    done = litpose("prepare", tmp_path)
    assert done.code == 1
    assert "holds no labels" in done.sentences
