"""`litpose audit` finds labels that models contradict, and hands them out to be corrected."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.data.labels import read_labels, write_labels
from lightning_pose.data.worklists import read_worklist
from tests.cli.conftest import litpose


def test_a_label_far_from_every_prediction_goes_on_the_worklist(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    """The shared model has hardly learnt: usual is far, and a label outside of all is farther."""
    table = read_labels(toy / "CollectedData.csv", data_dir=toy)
    xy = table.xy_img.copy()
    row, column = (int(place) for place in np.argwhere(table.labelled)[3])
    xy[row, column] = 1.0
    spoilt = write_labels(dataclasses.replace(table, xy_img=xy), tmp_path / "spoilt.csv")
    words = ["--csv", spoilt, "--data-dir", toy, "--factor", 1.2, "--least-px", 5]
    done = litpose("audit", run_dir, *words, "--out", tmp_path / "work.csv", "--json")
    assert done.code == 0, done.err
    found = {(one["image"], *one["keypoints"]): one for one in json.loads(done.out)}
    suspect = found[table.images[row], table.keypoint_names[column]]
    assert suspect["models"] == 1
    worklist = read_worklist(tmp_path / "work.csv", data_dir=toy)
    assert table.images[row] in worklist.table.images
    tags = worklist.about["frames"][table.images[row]]["tags"]
    assert "bad_label" in tags
    shown = litpose("audit", run_dir, *words)
    assert f"of {int(table.labelled.sum())} labels are contradicted by 1 model." in shown.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["RUN", "--out", "work.h5"], "written as csv"),
        (["RUN", "--out", "corrected.csv"], "corrected.csv is there already"),
        (["RUN", "--factor", "-1"], "--factor should be above 0, not -1"),
        (["RUN", "--factor", "nan"], "--factor should be above 0, not nan"),
        (["RUN", "--least-px", "-4"], "--least-px is a distance in pixels, not -4"),
        (["RUN", "RUN"], "hold the same weights; name each model once"),
    ],
)
def test_what_has_no_sense_is_refused(run_dir: Path, words: list[str], sentence: str) -> None:
    Path("corrected.csv").write_text("work of a week")
    done = litpose("audit", *[str(run_dir) if word == "RUN" else word for word in words])
    assert (done.code, done.out) == (2, "")
    assert sentence in done.sentences
    assert Path("corrected.csv").read_text() == "work of a week"


def test_label_files_of_one_name_get_a_worklist_each(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    table = read_labels(toy / "CollectedData.csv", data_dir=toy)
    files = []
    for folder, rows in (("monday", slice(0, 6)), ("tuesday", slice(6, 12))):
        (tmp_path / folder).mkdir()
        part = table.rows(np.arange(len(table))[rows])
        spoilt = dataclasses.replace(part, xy_img=np.where(np.isnan(part.xy_img), np.nan, 1.0))
        files.append(write_labels(spoilt, tmp_path / folder / "labels.csv"))
    words = ["--data-dir", toy, "--factor", 0.1, "--least-px", 1, "--out", tmp_path / "work.csv"]
    done = litpose("audit", run_dir, "--csv", files[0], "--csv", files[1], *words)
    assert done.code == 0, done.err
    found = [tmp_path / f"work_{name}_labels.csv" for name in ("monday", "tuesday")]
    assert sorted(tmp_path.glob("*.csv")) == found
    for file, labels in zip(found, files, strict=True):
        assert f"worklist: {file}, 6 frames of {labels}" in done.sentences
        images = read_labels(file, data_dir=toy).images
        assert set(images) <= set(read_labels(labels, data_dir=toy).images)


def test_a_checkpoint_alone_does_not_say_what_it_learnt(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    """Nothing can be left out then, or be called held out, and each command says so once."""
    alone = Path(shutil.copy(run_dir / "checkpoints" / "best.ckpt", tmp_path / "alone.ckpt"))
    labels = ("--csv", toy / "CollectedData.csv", "--data-dir", toy)
    words = {
        "audit": (alone, *labels, "--csv", toy / "CollectedData_new.csv"),
        "compare": (run_dir, alone, *labels, "--csv", toy / "CollectedData_new.csv"),
        "calibrate": (alone, *labels, "--within-px", 50),
    }
    for command, given in words.items():
        done = litpose(command, *given)
        assert done.code == 0, done.err
        assert done.sentences.count(f"not known which frames {alone} was trained on") == 1, command
    known = litpose("audit", run_dir, *labels)
    assert "not known which frames" not in known.sentences
