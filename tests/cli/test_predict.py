"""Predicting and evaluating through the program."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.model_files import BEST
from tests.cli.conftest import NEW_FRAMES, NUM_LABELED, VIDEO_FRAMES, Done, litpose


def test_a_folder_of_videos_is_predicted_frame_by_frame(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    done = litpose("predict", run_dir, toy / "videos", "--out", tmp_path / "preds", "--json")
    assert done.code == 0, done.err
    assert sorted(outcome["num_frames"] for outcome in done.json) == [NEW_FRAMES, VIDEO_FRAMES]
    tables = sorted((tmp_path / "preds").glob("*[0-9].csv"))
    assert [len(Predictions.read(path).xy_img) for path in tables] == [NEW_FRAMES, VIDEO_FRAMES]


def test_results_that_are_there_are_not_made_again(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    line = ("predict", run_dir, toy / "videos" / "new1.mp4", "--out", tmp_path)
    assert "done" in litpose(*line).out
    assert "there already" in litpose(*line).out


def test_a_copied_run_predicts_where_the_data_is_gone(
    run_dir: Path, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "elsewhere")
    video = shutil.copy(toy / "videos" / "new1.mp4", tmp_path / "mine.mp4")
    gone = tmp_path / "gone"
    toy.rename(gone)
    try:
        done = litpose("predict", copy, video)
        unlabelled = litpose("evaluate", copy)
    finally:
        gone.rename(toy)
    assert done.code == 0, done.err
    assert len(Predictions.read(copy / "video_preds" / "mine.csv").xy_img) == NEW_FRAMES
    assert unlabelled.code in (1, 2)
    assert str(toy) in unlabelled.sentences


def test_evaluating_says_what_training_said(run_dir: Path, trained: Done) -> None:
    done = litpose("evaluate", run_dir)
    assert done.code == 0, done.err
    assert [line for line in trained.out.splitlines() if line.startswith("test ")] == [
        line for line in done.out.splitlines() if line.startswith("test ")
    ]


def test_evaluating_a_csv_prints_json_and_nothing_else(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    done = litpose(
        "evaluate", run_dir, "--csv", toy / "CollectedData_new.csv", "--json", "--out", tmp_path
    )
    assert done.code == 0, done.err
    (numbers,) = done.json.values()
    assert numbers["images"] == 3
    assert (tmp_path / "predictions_pixel_error.csv").is_file()


def test_a_label_csv_can_be_predicted(run_dir: Path, toy: Path, tmp_path: Path) -> None:
    done = litpose("predict", run_dir, toy / "CollectedData.csv", "--out", tmp_path)
    assert done.code == 0, done.err
    assert len(Predictions.read(tmp_path / "CollectedData.csv").xy_img) == NUM_LABELED


def test_overrides_that_change_no_prediction_are_refused(run_dir: Path, toy: Path) -> None:
    video = toy / "videos" / "new1.mp4"
    done = litpose("predict", run_dir, video, "--overrides", "model.backbone=resnet34")
    assert done.code == 2
    assert "settled when it was trained" in done.sentences


def test_overrides_of_weights_without_a_run_are_checked(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    weights = shutil.copy(run_dir / BEST, tmp_path / "mouse.ckpt")
    video = toy / "videos" / "new1.mp4"
    done = litpose("predict", weights, video, "--overrides", "eval.confidence_thresh=0.5")
    assert done.code == 2
    assert "eval.confidence_thresh_for_vid" in done.sentences
    assert not list(tmp_path.glob("*.csv"))


def test_a_wrong_colour_map_is_told_before_anything_is_predicted(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    words = ("predict", run_dir, toy / "videos" / "new1.mp4", "--out", tmp_path / "out")
    done = litpose(*words, "--snippet", "--overrides", "eval.colormap=colo")
    assert done.code == 2
    assert "Did you mean 'cool'?" in done.sentences
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_run_is_noticed(run_dir: Path, toy: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "run")
    config = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(config.replace("nose_side", "ear_side"))
    done = litpose("predict", copy, toy / "videos" / "new1.mp4")
    assert done.code == 1
    assert "is of another model" in done.sentences


def test_labels_outside_the_image_are_said_and_not_scored(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    lines = (toy / "CollectedData.csv").read_text().splitlines()
    cells = lines[3].split(",")
    cells[1:3] = "5000", "5000"
    (tmp_path / "one_off.csv").write_text("\n".join([*lines[:3], ",".join(cells), *lines[4:]]))
    words = ("--data-dir", toy, "--json")
    before = litpose("evaluate", run_dir, "--csv", toy / "CollectedData.csv", *words)
    after = litpose("evaluate", run_dir, "--csv", tmp_path / "one_off.csv", *words)
    assert "They are neither learnt nor scored." in after.sentences
    points = [sum(part["n"] for part in done.json.values()) for done in (before, after)]
    assert points[0] - points[1] in (0, 1)
    assert all(part["mean_px"] < 500 for part in after.json.values())
