"""`litpose suggest` writes frames to label as a worklist that comes back by `labels merge`."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.data.context import inspect_context
from lightning_pose.data.image_files import decode_image
from lightning_pose.data.labels import read_labels, write_labels
from lightning_pose.video.random_access import SequenceReader
from tests.cli.conftest import VIDEO_FRAMES, litpose


def test_suggested_frames_come_back_as_labels(run_dir: Path, toy: Path, tmp_path: Path) -> None:
    video = sorted((toy / "videos").glob("walk*.mp4"))[0]
    out = tmp_path / "to_label"
    done = litpose("suggest", run_dir, video, "--n", 3, "--out", out, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert len({one["frame"] for one in found}) == 3
    for one in found:
        expected = SequenceReader(video).read(one["frame"], 1)[0]
        np.testing.assert_array_equal(decode_image(out / one["images"][0]), expected)
    worklist = read_labels(out / "worklist.csv", data_dir=out)
    assert not worklist.labelled.any()
    around = frames_around([one["frame"] for one in found])
    assert frames_in(out / "labeled-data" / video.stem) == around  # for context models
    xy = np.full(worklist.xy_img.shape, 12.5)
    write_labels(dataclasses.replace(worklist, xy_img=xy), out / "worklist.csv")
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(toy / "CollectedData.csv", data)
    merged = litpose("labels", "merge", data / "CollectedData.csv", out / "worklist.csv",
                     "--in-place")  # fmt: skip
    assert merged.code == 0, merged.err
    after = read_labels(data / "CollectedData.csv", data_dir=data)
    before = read_labels(toy / "CollectedData.csv", data_dir=toy)
    assert after.images[: len(before)] == before.images
    assert set(after.images[len(before) :]) == {one["images"][0] for one in found}
    assert frames_in(data / "labeled-data" / video.stem) == around
    assert inspect_context([worklist]).alone == 0


def frames_around(frames: list[int]) -> set[int]:
    """Return frames and their neighbours, two on each side."""
    near = {frame + offset for frame in frames for offset in range(-2, 3)}
    return {frame for frame in near if 0 <= frame < VIDEO_FRAMES}


def frames_in(folder: Path) -> set[int]:
    """Return the numbers of the images in a folder."""
    return {int(file.stem.removeprefix("img")) for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["video.mp4"], "is no run directory"),
        (["RUN"], "Name the videos"),
        (["RUN", "nothing.mp4"], "nothing.mp4"),
        (["RUN", "VIDEO", "--n", "0"], "--n should be 1 or more"),
        (["RUN", "VIDEO", "--proposals", "nan"], "--proposals is a confidence from 0 to 1"),
        (["RUN", "RUN", "VIDEO"], "hold the same weights; name each model once"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(
    run_dir: Path, toy: Path, tmp_path: Path, words: list[str], sentence: str
) -> None:
    video = sorted((toy / "videos").glob("*.mp4"))[0]
    known = {"RUN": str(run_dir), "VIDEO": str(video)}
    given = [known.get(word, word) for word in words]
    done = litpose("suggest", *given, "--out", tmp_path / "out")
    assert done.code != 0
    assert sentence in " ".join(done.err.split())
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_not_written_into(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").touch()
    video = sorted((toy / "videos").glob("*.mp4"))[0]
    done = litpose("suggest", run_dir, video, "--out", tmp_path)
    assert done.code == 2
    assert "is not empty" in " ".join(done.err.split())


def test_an_interrupted_suggestion_is_carried_on(run_dir: Path, toy: Path, tmp_path: Path) -> None:
    video = sorted((toy / "videos").glob("walk*.mp4"))[0]
    out = tmp_path / "monday morning"
    predicted = litpose("predict", run_dir, video, "--out", out / "predictions" / run_dir.name)
    assert predicted.code == 0, predicted.err
    table = out / "predictions" / run_dir.name / f"{video.stem}.csv"
    before = table.stat().st_mtime_ns
    done = litpose("suggest", run_dir, video, "--n", 2, "--out", out)
    assert done.code == 0, done.err
    assert table.stat().st_mtime_ns == before
    assert f"'{out / 'worklist.csv'}' --in-place" in done.sentences  # to be copied as it stands
