"""No result takes the place of a file that is not its own, and no input costs another one."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest

from lightning_pose.contracts.errors import WriteError
from lightning_pose.inference.model import Model
from lightning_pose.inference.outputs import Note
from lightning_pose.inference.products import Products
from lightning_pose.inference.row_store import RowStore
from tests.inference.test_predict_files import Speed, names_in, number_model, predict
from tests.inference.test_smooth_files import folders, smooth

Corpus = Callable[[str], Path]


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return number_model(tmp_path / "run")


@pytest.fixture
def videos(corpus: Corpus, tmp_path: Path) -> Path:
    """Return a folder of a video, and of another whose name a result of the first would have."""
    (tmp_path / "videos").mkdir()
    copyfile(corpus("plain.mp4"), tmp_path / "videos" / "day.mp4")
    copyfile(corpus("gop10.mp4"), tmp_path / "videos" / "day_labeled.mp4")
    return tmp_path / "videos"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_video_is_not_replaced_by_the_labelled_copy_of_another(
    model: Model, videos: Path, overwrite: bool
) -> None:
    own = videos / "day_labeled.mp4"
    before = own.read_bytes()
    wishes = {"labeled_video": True, "overwrite": overwrite}
    outcomes = predict(model, videos / "day.mp4", own, out=videos, **wishes)
    told = {one.inputs[0].path.name: str(one.failed) for one in outcomes}
    assert told["day_labeled.mp4"] == "None"
    assert "is to be predicted itself" in told["day.mp4"]
    assert own.read_bytes() == before


def test_no_result_has_a_file_in_common_with_that_of_another_input(
    model: Model, corpus: Corpus, tmp_path: Path
) -> None:
    for name in ("day", "day_temporal_norm"):
        copyfile(corpus("plain.mp4"), tmp_path / f"{name}.mp4")
    both = (tmp_path / "day.mp4", tmp_path / "day_temporal_norm.mp4")
    outcomes = predict(model, *both, out=tmp_path / "out", metrics=(Speed(),))
    told = {one.inputs[0].path.name: str(one.failed) for one in outcomes}
    assert told["day.mp4"] == "None"
    assert "would be a result of" in told["day_temporal_norm.mp4"]
    assert "day_temporal_norm.litpose.json" not in names_in(tmp_path / "out")
    assert predict(model, both[1], out=tmp_path / "else", metrics=(Speed(),))[0].failed is None


def test_a_file_that_no_note_names_is_not_replaced(model: Model, videos: Path) -> None:
    before = (videos / "day_labeled.mp4").read_bytes()
    assert predict(model, videos / "day.mp4", out=videos)[0].failed is None
    (outcome,) = predict(model, videos / "day.mp4", out=videos, labeled_video=True)
    assert isinstance(outcome.failed, WriteError)
    assert "day_labeled.mp4 is there already, made by something else" in str(outcome.failed)
    assert (videos / "day_labeled.mp4").read_bytes() == before
    wishes = {"labeled_video": True, "overwrite": True}
    assert predict(model, videos / "day.mp4", out=videos, **wishes)[0].failed is None


def test_another_format_is_no_leave_to_delete_the_results_of_another_model(
    model: Model, videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict(model, videos / "day.mp4", out=out)
    other = number_model(tmp_path / "other", weights=b"other weights")
    (outcome,) = predict(other, videos / "day.mp4", out=out, formats=("parquet",))
    assert "--overwrite" in str(outcome.failed)
    assert names_in(out) == {"day.csv", "day.litpose.json"}


def test_a_file_whose_note_a_kill_prevented_is_known_to_be_ours(
    model: Model, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Killed

    out, wishes = tmp_path / "out", {"metrics": (Speed(),)}
    predict(model, videos / "day.mp4", out=out)
    with monkeypatch.context() as patch:
        patch.setattr(Note, "with_file", die)
        with pytest.raises(Killed):
            predict(model, videos / "day.mp4", out=out, **wishes)
    assert "day_temporal_norm.csv" in names_in(out)
    assert predict(model, videos / "day.mp4", out=out, **wishes)[0].failed is None


def test_smoothing_goes_on_after_a_kill_between_a_file_and_its_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Killed

    made, out = folders(tmp_path, "day1"), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Note, "with_file", die)
        with pytest.raises(Killed):
            smooth(made, out)
    assert "day1.csv" in names_in(out)
    assert smooth(made, out)[0].failed is None


def test_rows_that_cannot_be_kept_cost_their_input_alone(
    model: Model, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = RowStore.add

    def full(self: RowStore, *values: np.ndarray) -> None:
        if ".day." in str(self.path):
            raise WriteError("The disk is full.")
        add(self, *values)

    monkeypatch.setattr(RowStore, "add", full)
    outcomes = predict(model, *sorted(videos.iterdir()), out=tmp_path / "out")
    told = {one.inputs[0].path.name: str(one.failed) for one in outcomes}
    assert told == {"day.mp4": "The disk is full.", "day_labeled.mp4": "None"}


def test_what_the_file_system_refuses_costs_its_input_alone(
    model: Model, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Path.stat

    def refused(self: Path, **options: bool) -> os.stat_result:
        if self.name == "day_bbox.csv":
            raise OSError(errno.EIO, "Input/output error", str(self))
        return look(self, **options)

    monkeypatch.setattr(Path, "stat", refused)
    outcomes = predict(model, *sorted(videos.iterdir()), out=tmp_path / "out")
    told = {one.inputs[0].path.name: str(one.failed) for one in outcomes}
    assert told["day_labeled.mp4"] == "None"
    assert "day_bbox.csv cannot be read: Input/output error" in told["day.mp4"]


@pytest.mark.parametrize("letters", [222, 237, 243, 251])
def test_a_name_that_is_too_long_costs_its_input_alone(
    model: Model, videos: Path, tmp_path: Path, letters: int
) -> None:
    longest = (videos / "day.mp4").rename(videos / f"{'x' * letters}.mp4")
    first, second = predict(model, longest, videos / "day_labeled.mp4", out=tmp_path / "out")
    failed = first if first.inputs[0].path == longest else second
    assert f"{longest} has too long a name: " in str(failed.failed)
    assert names_in(tmp_path / "out") == {"day_labeled.csv", "day_labeled.litpose.json"}


def test_a_long_name_of_which_the_files_are_there_is_fine(
    model: Model, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = (videos / "day.mp4").rename(videos / f"{'x' * 222}.mp4")
    with monkeypatch.context() as patch:  # by a process of a shorter number
        patch.setattr(Products, "check_names", lambda _: None)
        (outcome,) = predict(model, longest, out=tmp_path / "out")
        assert outcome.failed is None
    (outcome,) = predict(model, longest, out=tmp_path / "out")
    assert outcome.skipped


def test_predictions_of_too_long_a_name_are_told_of(tmp_path: Path) -> None:
    made = folders(tmp_path, "day")
    for folder in made:
        (folder / "day.csv").rename(folder / f"{'x' * 230}.csv")
    (outcome,) = smooth(made, tmp_path / "out")
    assert "has too long a name: " in str(outcome.failed)
    assert names_in(tmp_path / "out") == set()
