"""Worklists of marked pictures: none overwrites another, a person's work or a picture."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lightning_pose.cli.look import reviewing
from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.labels import read_labels, write_labels
from lightning_pose.data.worklists import worklist_note
from lightning_pose.mlops.review.documents import Marks
from lightning_pose.mlops.review.exporting import write_worklists
from lightning_pose.mlops.review.marked import Marked

NAMES = ("nose", "tail")
SIZE = HEIGHT, WIDTH = (48, 80)
LAYOUTS = ("litpose", "dlc", "sleap", "label-studio")


def labelled(folder: Path, *sessions: str, grey: int = 9) -> list[Marked]:
    """Write a label file with an image a session; return them, marked."""
    images = tuple(f"labeled-data/{session}/img1.png" for session in sessions)
    for image in images:
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (WIDTH, HEIGHT), grey).save(folder / image)
    xy = np.full((len(images), len(NAMES), 2), float(grey))
    csv = write_labels(
        LabelTable(images=images, xy_img=xy, keypoint_names=NAMES, root=folder),
        folder / "CollectedData.csv",
    )
    return [
        Marked(
            image=image,
            file=folder / image,
            label_file=str(csv),
            size=SIZE,
            marks=Marks(tags=("to_label",)),
            proposal=np.full((len(NAMES), 2), np.nan),
        )
        for image in images
    ]


def export(pictures: Sequence[Marked], out: Path, layout: str = "litpose") -> list[Any]:
    return write_worklists(
        pictures, out, keypoint_names=NAMES, layout=layout, source="litpose review export"
    )


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("several", [False, True], ids=["one label file", "two label files"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_worklist_is_never_written_over(layout: str, several: bool, tmp_path: Path) -> None:
    pictures = labelled(tmp_path / "side", "a_side", "b_side")
    pictures += labelled(tmp_path / "top", "a_top") if several else []
    out = tmp_path / "monday" / "list.csv"
    written = export(pictures, out, layout)
    of_people = content(tmp_path / "monday")
    own = [path for path in of_people if path.suffix != ".png"]
    for file in {one.file for one in written} | {worklist_note(one.file) for one in written}:
        assert file in own
    for file in own:
        for other in set(own) - {file}:
            other.unlink(missing_ok=True)
        there = content(tmp_path / "monday")
        with pytest.raises(ConfigError, match=r"is there already.* --out") as refused:
            export(pictures, out, layout)
        assert str(file) in str(refused.value)
        assert content(tmp_path / "monday") == there
        for path, data in of_people.items():
            path.write_bytes(data)


def test_another_picture_of_that_name_is_never_written_over(tmp_path: Path) -> None:
    pictures = labelled(tmp_path / "data", "a")
    taken = tmp_path / "monday" / pictures[0].image
    export(pictures, tmp_path / "monday" / "list.csv")
    export(pictures, tmp_path / "monday" / "again.csv")  # the same picture: nothing is lost
    Image.new("L", (WIDTH, HEIGHT), 200).save(taken)
    before = content(tmp_path / "monday")
    with pytest.raises(ConfigError, match=f"{taken} is there already"):
        export(pictures, tmp_path / "monday" / "third.csv")
    assert content(tmp_path / "monday") == before


def test_label_files_of_one_name_go_to_a_worklist_each(tmp_path: Path) -> None:
    pictures = labelled(tmp_path / "side", "a_side", grey=3) + labelled(tmp_path / "top", "a_top")
    written = export(pictures, tmp_path / "list.csv")
    assert [(one.file.name, one.label_file) for one in written] == [
        ("list_side_CollectedData.csv", str(tmp_path / "side/CollectedData.csv")),
        ("list_top_CollectedData.csv", str(tmp_path / "top/CollectedData.csv")),
    ]
    for one, picture in zip(written, pictures, strict=True):
        assert read_labels(one.file, data_dir=tmp_path).images == (picture.image,)
        about = json.loads(worklist_note(one.file).read_text())
        assert about["labels"]["path"] == picture.label_file


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_of_one_name_of_two_label_files_are_not_mixed_up(
    layout: str, tmp_path: Path
) -> None:
    pictures = labelled(tmp_path / "old", "a", grey=3) + labelled(tmp_path / "new", "a", grey=200)
    with pytest.raises(DataError, match=r"would be written twice.*Tag .* differently") as refused:
        export(pictures, tmp_path / "monday" / "list.csv", layout)
    assert all(one.label_file in str(refused.value) for one in pictures)
    assert not (tmp_path / "monday").exists()


def test_deeplabcut_has_one_table_a_folder_whatever_the_label_files(tmp_path: Path) -> None:
    pictures = labelled(tmp_path / "data", "a")
    new = write_labels(
        LabelTable(
            images=("labeled-data/a/img2.png",),
            xy_img=np.zeros((1, len(NAMES), 2)),
            keypoint_names=NAMES,
            root=tmp_path / "data",
        ),
        tmp_path / "data" / "CollectedData_new.csv",
    )
    file = tmp_path / "data/labeled-data/a/img2.png"
    Image.new("L", (WIDTH, HEIGHT), 77).save(file)
    pictures.append(
        Marked(
            image="labeled-data/a/img2.png",
            file=file,
            label_file=str(new),
            size=SIZE,
            marks=Marks(tags=("to_label",)),
            proposal=np.full((len(NAMES), 2), np.nan),
        )
    )
    with pytest.raises(DataError, match=r"labeled-data/a/CollectedData_\w+.csv would be written"):
        export(pictures, tmp_path / "monday" / "list.csv", "dlc")
    assert not (tmp_path / "monday").exists()
    assert len(export(pictures, tmp_path / "monday" / "list.csv")) == 2


def test_the_way_back_names_the_label_file_of_each_worklist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = labelled(tmp_path / "side", "a_side") + labelled(tmp_path / "top", "a_top")
    review = SimpleNamespace(default_skeleton=SimpleNamespace(labels=list(NAMES)))
    monkeypatch.setattr(reviewing, "fiftyone_of", lambda project: None)
    monkeypatch.setattr(reviewing, "_existing", lambda fo, name: review)
    monkeypatch.setattr(reviewing, "marked_pictures", lambda *args, **more: pictures)
    asked = {"name": "mouse", "tag": None, "layout": "litpose", "proposals": None}
    reviewing.export(Namespace(**asked, out=tmp_path / "list.csv", json=False))
    said = capsys.readouterr()
    for folder in ("side", "top"):
        labels, worklist = tmp_path / folder / "CollectedData.csv", f"list_{folder}_CollectedData"
        way = f"litpose labels merge {labels} {tmp_path / worklist}.csv --in-place"
        assert way in " ".join(said.err.split())
    reviewing.export(Namespace(**asked, out=tmp_path / "other.csv", json=True))
    told = json.loads(capsys.readouterr().out)
    assert told["label_files"] == [one.label_file for one in pictures]
