"""`litpose suggest` writes frames to label as a worklist that comes back by `labels merge`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.cli.judge.predicted_sessions import grouped, labelled_views, sessions_of
from lightning_pose.cli.judge.suggesting import hand_out
from lightning_pose.contracts.errors import DataError, VideoError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.context import inspect_context
from lightning_pose.data.image_files import decode_image
from lightning_pose.data.labels import read_labels, write_labels
from lightning_pose.data.worklists import read_worklist
from lightning_pose.mlops.results import RunResults
from lightning_pose.video.random_access import SequenceReader
from tests.cli.conftest import VIDEO_FRAMES, litpose
from tests.mlops.reviewed import FRAMES, NAMES, make_project, make_run

VIEWS = ("side", "below")


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


def two_runs(project: Path, out: Path, views: Sequence[str]) -> list[RunResults]:
    """Return two made-up models that have predicted the project's video."""
    models = {"A": 1.0, "B": 3.0}
    return [make_run(project, out / name, noise_px=px, views=views) for name, px in models.items()]


def handed_out(
    runs: Sequence[RunResults], project: Path, capsys: pytest.CaptureFixture[str], *, n: int
) -> str:
    """Suggest frames of the project's video into ``list`` beside it; return what was said."""
    # Neither the run's labels nor the command line need keep the order of the views.
    turned = dataclasses.replace(runs[0], labeled=runs[0].labeled[::-1])
    videos = sorted((project / "videos").glob("*.mp4"))
    sessions = sessions_of(runs, grouped(videos, runs[0].config.data.view_names))
    args = argparse.Namespace(n=n, out=project.with_name("list"), proposals=None, json=False)
    hand_out(sessions, labelled_views(turned), args)
    said = capsys.readouterr()
    return " ".join(f"{said.out} {said.err}".split())


def test_each_view_has_the_worklist_of_its_own_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path / "data", views=VIEWS)
    said = handed_out(two_runs(project, tmp_path, VIEWS), project, capsys, n=4)
    numbers = []
    for view in VIEWS:
        path = tmp_path / "list" / f"worklist_{view}.csv"
        worklist = read_worklist(path, data_dir=tmp_path / "list")
        images = [Path(image) for image in worklist.table.images]
        assert {image.parent.name for image in images} == {f"day2_{view}"}
        numbers.append([image.name for image in images])
        labels = project / f"CollectedData_{view}.csv"
        assert json.loads(path.with_suffix(".worklist.json").read_text())["labels"]["path"] == str(
            labels
        )
        assert f"litpose labels merge {labels} {path} --in-place" in said
    assert numbers[0] == numbers[1]
    assert f"{tmp_path / 'list' / 'worklist.csv'}" not in said


def label_frames(project: Path, view: str, frames: Sequence[int], *, points: float) -> None:
    """Add frames of the video to the labels of a view, as a tool that numbers with four digits."""
    file = project / f"CollectedData{view}.csv"
    table = read_labels(file, data_dir=project)
    images = tuple(f"labeled-data/day2{view}/img{frame:04d}.png" for frame in frames)
    xy = np.full((len(images), len(NAMES), 2), points)
    both = LabelTable(
        images=(*table.images, *images),
        xy_img=np.concatenate([table.xy_img, xy]),
        keypoint_names=NAMES,
        root=project,
    )
    write_labels(both, file)


@pytest.mark.parametrize("points", [12.0, np.nan])  # looked at, and nothing was to be seen
@pytest.mark.parametrize("views", [("",), VIEWS])
def test_frames_that_are_labelled_already_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], views: Sequence[str], points: float
) -> None:
    project = make_project(tmp_path / "data", views=views)
    runs = two_runs(project, tmp_path, views)
    left = {5, 23, 41}
    end = f"_{views[-1]}" if views[-1] else ""
    label_frames(project, end, sorted(set(range(FRAMES)) - left), points=points)
    said = handed_out(runs, project, capsys, n=5)
    for view in views:
        own = f"_{view}" if view else ""
        file = tmp_path / "list" / f"worklist{own}.csv"
        images = read_labels(file, data_dir=file.parent).images
        assert {int(Path(image).stem.removeprefix("img")) for image in images} == left
    assert f"{FRAMES - len(left)} frames of these videos are labelled and left out." in said


def test_videos_of_which_all_is_labelled_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path / "data")
    runs = two_runs(project, tmp_path, ("",))
    label_frames(project, "", range(FRAMES), points=12.0)
    with pytest.raises(DataError, match="Every frame of these videos is labelled already"):
        handed_out(runs, project, capsys, n=5)
    assert not (tmp_path / "list").exists()


def test_videos_that_would_be_mixed_up_are_refused_before_they_are_predicted() -> None:
    with pytest.raises(VideoError, match=r"a/rec.mp4 and b/rec.avi have one name"):
        grouped([Path("a/rec.mp4"), Path("b/rec.avi")], [])
    with pytest.raises(VideoError, match=r"'rec' in a has no file for the view below"):
        grouped([Path("a/rec_side.mp4")], VIEWS)
