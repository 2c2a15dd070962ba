"""`litpose labels diff` and `merge`: versions compared, corrections taken in, nothing lost."""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lightning_pose.cli.main import main
from lightning_pose.cli.versions import label_commands
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_merging import merge_labels
from lightning_pose.data.labels import read_labels, write_labels
from lightning_pose.data.worklists import write_worklist
from tests.cli.conftest import NUM_LABELED, litpose


@pytest.fixture
def data(toy: Path, tmp_path: Path) -> Path:
    """Return a folder with the toy labels, whose images are those of the toy data."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(toy / "CollectedData.csv", folder)
    (folder / "labeled-data").symlink_to(toy / "labeled-data")
    return folder


def table_of(data: Path) -> LabelTable:
    return read_labels(data / "CollectedData.csv", data_dir=data)


def moved(table: LabelTable, row: int, keypoint: int) -> LabelTable:
    """Return the table with one label 3 px to the right and 4 px down."""
    xy = table.xy_img.copy()
    xy[row, keypoint] += np.array([3.0, 4.0])
    return replace(table, xy_img=xy)


def labelled_place(table: LabelTable) -> tuple[int, int]:
    row, keypoint = np.argwhere(table.labelled)[7]
    return int(row), int(keypoint)


def worklist(data: Path, *, corrected: bool = True) -> Path:
    """Write a worklist of two frames of the labels, one of them corrected."""
    table = table_of(data)
    row, keypoint = labelled_place(table)
    rows = np.array([row, (row + 1) % len(table)])
    path = data / "to_label.csv"
    source = {"source": "a test", "made": "2026-11-21T17:00:00+00:00"}
    write_worklist(table.rows(rows), path, labels=table, **source)
    if corrected:
        write_labels(moved(table, row, keypoint).rows(rows), path)
    return path


def test_a_moved_label_is_told_drawn_and_written_as_json(data: Path, tmp_path: Path) -> None:
    table = table_of(data)
    row, keypoint = labelled_place(table)
    new = write_labels(moved(table, row, keypoint), data / "new.csv")
    words = ("labels", "diff", data / "CollectedData.csv", new)
    found = litpose(*words, "--json", "--pictures", tmp_path / "sheet.png")
    (change,) = found.json["changes"]
    assert (change["image"], change["keypoint"], change["change"]) == (
        table.images[row],
        table.keypoint_names[keypoint],
        "moved",
    )
    assert change["distance_px"] == pytest.approx(5.0)
    assert Image.open(tmp_path / "sheet.png").size[0] > 300
    done = litpose(*words, "--pictures", tmp_path / "page.html")
    assert "labels: 1 moved (median 5.00 px, at most 5.00 px)" in done.out
    assert "data:image/png;base64," in (tmp_path / "page.html").read_text()
    assert "are the same" in litpose("labels", "diff", new, new).out
    nothing = litpose("labels", "diff", new, new, "--pictures", tmp_path / "none.png")
    assert (nothing.code, "no frame differs" in nothing.sentences) == (1, True)


def test_labels_are_compared_with_their_own_past(data: Path) -> None:
    labels = data / "CollectedData.csv"
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", labels.name), ("commit", "-qm", "first")):
        subprocess.run(["git", *who, *words], cwd=data, check=True)
    frame = pd.read_csv(labels, header=[0, 1, 2], index_col=0)
    frame.iloc[:-1].to_csv(labels)
    found = litpose("labels", "diff", f"{labels}@HEAD", labels, "--json").json
    assert found["removed_frames"] == [str(frame.index[-1])]
    assert len(found["changes"]) == frame.iloc[-1].xs("x", level="coords").notna().sum()


def test_corrections_are_merged_with_their_history(data: Path) -> None:
    labels, work = data / "CollectedData.csv", worklist(data)
    before, old = labels.read_bytes(), table_of(data)
    row, keypoint = labelled_place(old)
    done = litpose("labels", "merge", labels, work, "--in-place", "--by", "Ada")
    assert done.code == 0, done.err
    assert "1 moved" in done.out
    assert "came back as handed out" in done.sentences
    np.testing.assert_array_equal(table_of(data).xy_img, moved(old, row, keypoint).xy_img)
    digest = hashlib.sha256(before).hexdigest()
    assert (data / f"CollectedData.csv.{digest[:12]}.bak").read_bytes() == before
    with (data / "CollectedData.history.csv").open() as file:
        (entry,) = csv.DictReader(file)
    assert (entry["who"], entry["change"], entry["image"]) == ("Ada", "moved", old.images[row])
    assert float(entry["x_after"]) - float(entry["x_before"]) == pytest.approx(3.0)
    assert entry["labels_sha256"] == digest
    assert entry["worklist_sha256"] == hashlib.sha256(work.read_bytes()).hexdigest()
    assert entry["result_sha256"] == hashlib.sha256(labels.read_bytes()).hexdigest()
    again = litpose("labels", "merge", labels, work, "--in-place")
    assert "nothing to merge" in again.out
    assert len(list(data.glob("*.bak"))) == 1


def test_a_label_that_changed_meanwhile_is_named_and_nothing_is_written(data: Path) -> None:
    labels, work = data / "CollectedData.csv", worklist(data)
    table = table_of(data)
    row, keypoint = labelled_place(table)
    write_labels(moved(moved(table, row, keypoint), row, keypoint), labels)
    before = labels.read_bytes()
    done = litpose("labels", "merge", labels, work, "--in-place")
    assert done.code == 1
    assert f"{table.keypoint_names[keypoint]} in {table.images[row]}" in done.sentences
    assert (labels.read_bytes(), list(data.glob("*.bak"))) == (before, [])
    taken = litpose(
        "labels", "merge", labels, work, "--out", data / "out.csv", "--theirs", "--json"
    )
    assert len(taken.json["conflicts"]) == 1
    assert len(taken.json["changes"]) == 1
    assert labels.read_bytes() == before
    assert (data / "out.history.csv").is_file()


def test_labels_that_are_saved_while_they_are_read_are_not_written_over(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, work = data / "CollectedData.csv", worklist(data)
    saved = b"saved by somebody else"

    def read_then_save(path: Path, **arguments: Path) -> LabelTable:
        table = read_labels(path, **arguments)
        if path == labels:
            labels.write_bytes(saved)
        return table

    monkeypatch.setattr(label_commands, "read_labels", read_then_save)
    done = litpose("labels", "merge", labels, work, "--in-place")
    assert (done.code, "was changed while it was merged into" in done.sentences) == (1, True)
    assert labels.read_bytes() == saved


def test_new_frames_bring_their_images(data: Path, toy: Path, tmp_path: Path) -> None:
    (data / "labeled-data").unlink()
    shutil.copytree(toy / "labeled-data", data / "labeled-data")
    folder = tmp_path / "worklist"
    image = "labeled-data/new_session/img0001.png"
    (folder / image).parent.mkdir(parents=True)
    table = table_of(data)
    shutil.copy(table.path(0), folder / image)
    new = replace(table.rows(np.array([0])), images=(image,))
    path = write_labels(new, folder / "frames.csv")
    labels = data / "CollectedData.csv"
    done = litpose("labels", "merge", labels, path, "--in-place")
    assert done.code == 0, done.err
    assert "1 frame new" in done.out
    assert "each of its labels is taken as a correction" in done.sentences
    assert (data / image).read_bytes() == (folder / image).read_bytes()
    assert table_of(data).images == (*table.images, image)
    other = "labeled-data/new_session/img0002.png"  # DeepLabCut's csv lie beside their images
    shutil.copy(folder / image, folder / other)
    path = write_labels(replace(new, images=(other,)), (folder / other).parent / "list.csv")
    assert litpose("labels", "merge", labels, path, "--in-place").code == 0
    assert (data / other).is_file()
    lost = write_labels(replace(new, images=("labeled-data/x/no.png",)), folder / "lost.csv")
    refused = litpose("labels", "merge", labels, lost, "--in-place")
    assert (refused.code, "nor beside the worklist" in refused.sentences) == (1, True)
    assert len(table_of(data)) == NUM_LABELED + 2


def test_labels_outside_their_image_are_refused(data: Path) -> None:
    table = table_of(data)
    row, keypoint = labelled_place(table)
    xy = table.xy_img[[row]].copy()
    xy[0, keypoint] = (1e4, 5.0)
    path = write_labels(replace(table.rows(np.array([row])), xy_img=xy), data / "w.csv")
    done = litpose("labels", "merge", data / "CollectedData.csv", path, "--in-place")
    assert (done.code, "outside the image" in done.sentences) == (1, True)
    assert "Nothing was merged" in done.sentences


@pytest.mark.parametrize("absolute", [False, True])
def test_a_new_image_outside_of_the_data_is_refused(
    absolute: bool, data: Path, tmp_path: Path
) -> None:
    table = table_of(data)
    folder = tmp_path / "lists" / "monday"
    folder.mkdir(parents=True)
    shutil.copy(table.path(0), tmp_path / "lists" / "new.png")
    image = str(tmp_path / "lists" / "new.png") if absolute else "../new.png"
    new = write_labels(replace(table.rows(np.array([0])), images=(image,)), folder / "w.csv")
    before = (data / "CollectedData.csv").read_bytes()
    done = litpose("labels", "merge", data / "CollectedData.csv", new, "--in-place")
    assert (done.code, "New images lie in the data folder" in done.sentences) == (1, True)
    assert (data / "CollectedData.csv").read_bytes() == before
    assert not (tmp_path / "new.png").exists()


def test_of_two_merges_at_once_neither_is_lost(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, table = data / "CollectedData.csv", table_of(data)
    places = [tuple(place) for place in np.argwhere(table.labelled)[[7, 60]].tolist()]
    lists = []
    for number, (row, keypoint) in enumerate(places):
        rows = moved(table, row, keypoint).rows(np.array([row]))
        lists.append(write_labels(rows, tmp_path / f"{number}.csv"))

    def slow(*args: Any, **settings: Any) -> Any:
        found = merge_labels(*args, **settings)
        time.sleep(0.3)
        return found

    monkeypatch.setattr("lightning_pose.cli.versions.label_commands.merge_labels", slow)
    words = [["labels", "merge", str(labels), str(path), "--in-place"] for path in lists]
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(main, words)) == [0, 0]
    (row, keypoint), (other, another) = places
    both = moved(moved(table, row, keypoint), other, another)
    np.testing.assert_array_equal(table_of(data).xy_img, both.xy_img)
    with (data / "CollectedData.history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


def test_linked_labels_are_merged_beside_their_images_and_the_link_s_file_stays(
    data: Path, tmp_path: Path
) -> None:
    labels, work, stored = data / "CollectedData.csv", worklist(data), tmp_path / "cache" / "ab12"
    stored.parent.mkdir()
    labels.rename(stored)
    labels.symlink_to(stored)
    before = stored.read_bytes()
    done = litpose("labels", "merge", labels, work, "--in-place")
    assert done.code == 0, done.err
    assert "was a link to" in done.sentences
    assert stored.read_bytes() == before
    assert not labels.is_symlink()
    assert labels.read_bytes() != before


def test_wrong_words_are_refused(data: Path) -> None:
    labels = data / "CollectedData.csv"
    for threshold in ("nan", "inf", "-1"):
        assert litpose("labels", "diff", labels, labels, f"--threshold={threshold}").code == 2
    assert litpose("labels", "merge", labels, labels).code == 2
    assert litpose("labels", "merge", labels, labels, "--out", data / "x.h5").code == 2
    assert litpose("labels", "diff", labels, labels, "--rename", "nose").code == 2
    gone = litpose("labels", "diff", labels, f"{labels}@HEAD")
    assert (gone.code, "in no git repository" in gone.sentences) == (1, True)
