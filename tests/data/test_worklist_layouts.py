"""Worklists as label tools lay them out: written, opened as the tool does, read again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_studio import read_tasks
from lightning_pose.data.labels import read_labels
from lightning_pose.data.worklist_layouts import LAYOUTS
from lightning_pose.data.worklists import read_worklist, write_worklist

NAMES = ("nose", "tail & rump")
IMAGES = ("labeled-data/a/img1.png", "labeled-data/b/img2.png")
SIZES = dict.fromkeys(IMAGES, (40, 90))  # height, width: not square


def table(folder: Path, images: tuple[str, ...] = IMAGES) -> LabelTable:
    xy = np.array([[[10.0, 20.0], [np.nan, np.nan]], [[89.5, 39.0], [45.0, 10.0]]])
    return LabelTable(images=images, xy_img=xy, keypoint_names=NAMES, root=folder, scorer="ann")


def write(layout: str, folder: Path) -> list[Path]:
    def write_list(part: LabelTable, path: Path) -> Path:
        return write_worklist(part, path, labels=None, source="test", made="now")

    return LAYOUTS[layout].write(table(folder), folder / "list.csv", write_list, SIZES)


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_every_layout_comes_back_as_it_was_handed_out(layout: str, tmp_path: Path) -> None:
    expected = table(tmp_path)
    images, points = [], []
    for file in write(layout, tmp_path):
        back = read_worklist(file, data_dir=tmp_path)
        assert back.handed_out is not None
        assert back.table.keypoint_names == NAMES
        images += back.table.images
        points += list(back.table.xy_img)
    assert tuple(images) == IMAGES
    np.testing.assert_allclose(np.array(points), expected.xy_img, atol=1e-9)


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_the_files_of_a_layout_are_known_before_they_are_written(
    layout: str, tmp_path: Path
) -> None:
    expected = LAYOUTS[layout].files(table(tmp_path), tmp_path / "list.csv")
    assert not list(tmp_path.iterdir())
    write(layout, tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(expected)


def test_deeplabcut_finds_a_table_in_the_folder_of_each_video(tmp_path: Path) -> None:
    files = write("dlc", tmp_path)
    assert files == [tmp_path / f"labeled-data/{name}/CollectedData_ann.csv" for name in "ab"]
    frame = pd.DataFrame(pd.read_hdf(files[1].with_suffix(".h5"), "df_with_missing"))
    assert list(frame.index) == [("labeled-data", "b", "img2.png")]
    assert list(frame.columns.names) == ["scorer", "bodyparts", "coords"]
    assert frame.loc[:, ("ann", "nose", "x")].tolist() == [89.5]
    csv = pd.read_csv(files[1], header=[0, 1, 2], index_col=[0, 1, 2])  # as its GUI reads it
    pd.testing.assert_frame_equal(csv, frame, check_names=False)


def test_deeplabcut_has_no_place_for_images_without_a_video(tmp_path: Path) -> None:
    flat = ("labeled-data/img1.png", "labeled-data/img2.png")
    with pytest.raises(DataError, match="in no folder of a video"):
        LAYOUTS["dlc"].write(table(tmp_path, flat), tmp_path / "l.csv", lambda t, p: p, {})
    assert not list(tmp_path.iterdir())


def test_label_studio_gets_percent_of_width_and_height(tmp_path: Path) -> None:
    (file,) = write("label-studio", tmp_path)
    tasks = json.loads(file.read_text())
    assert [len(task["annotations"][0]["result"]) for task in tasks] == [1, 2]
    point = tasks[0]["annotations"][0]["result"][0]
    assert point["value"]["x"] == pytest.approx(100 * 10 / 90)
    assert point["value"]["y"] == pytest.approx(100 * 20 / 40)
    assert (point["original_width"], point["original_height"]) == (90, 40)
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=labeled-data/a/img1.png"
    config = file.with_suffix(".config.xml").read_text()
    assert '<Label value="tail &amp; rump"/>' in config
    assert point["from_name"] in config


def test_the_last_annotation_that_was_not_cancelled_counts(tmp_path: Path) -> None:
    (file,) = write("label-studio", tmp_path)
    tasks = json.loads(file.read_text())
    moved = json.loads(json.dumps(tasks[0]["annotations"][0]))
    moved["result"][0]["value"]["x"] = 50.0
    tasks[0]["annotations"] += [moved, {"was_cancelled": True, "result": []}]
    file.write_text(json.dumps(tasks))
    assert read_tasks(file, data_dir=tmp_path).xy_img[0, 0].tolist() == [45.0, 20.0]


def test_an_export_of_something_else_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('[{"data": {"image": "x.png"}, "annotations": []}]')
    with pytest.raises(DataError, match="no JSON export of Label Studio of a worklist of ours"):
        read_worklist(other, data_dir=tmp_path)


def test_sleap_imports_one_csv_with_paths_in_three_columns(tmp_path: Path) -> None:
    (file,) = write("sleap", tmp_path)
    assert file.read_text().splitlines()[3].startswith("labeled-data,a,img1.png,10.0,20.0,,")
    assert read_labels(file, data_dir=tmp_path).images == IMAGES
