"""Bounding boxes through the program: training, evaluating and predicting show the same parts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.data.labels import read_labels
from lightning_pose.data.toy import read_truth
from tests.cli.conftest import TINY, UNTRACKED, Done, litpose, tiny_data
from tests.cli.test_train_on_video import COUNTS, SHORT

HEAD = "x,y,h,w\n"
BOXES = "data.bbox_file=boxes.csv"


@pytest.fixture(scope="module")
def boxed(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the toy data set with boxes about the animal, of labelled images and videos."""
    folder = shutil.copytree(toy, tmp_path_factory.mktemp("boxed") / "data")
    lines = ["image,x,y,h,w"]
    for name in ("CollectedData.csv", "CollectedData_new.csv"):
        table = read_labels(folder / name, data_dir=folder)
        for image, xy in zip(table.images, table.xy_img, strict=True):
            lines.append(f"{image},{box_about(xy)}")
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")
    for video in (folder / "videos").glob("*.mp4"):
        rows = "".join(f"{box_about(xy)}\n" for xy in read_truth(video).xy_img)
        video.with_name(f"{video.stem}_bbox.csv").write_text(HEAD + rows)
    return folder


def box_about(xy: np.ndarray) -> str:
    """Return x, y, h, w of the part about the points that reaches 8 pixels further."""
    (left, top), (right, bottom) = np.nanmin(xy, axis=0) - 8, np.nanmax(xy, axis=0) + 8
    return f"{left:.0f},{top:.0f},{bottom - top:.0f},{right - left:.0f}"


def train(folder: Path, *more: object) -> Done:
    words = (*TINY, *SHORT, *COUNTS, UNTRACKED, BOXES)
    return litpose("train", "data=toy", tiny_data(folder), *words, *more)


@pytest.fixture(scope="module")
def learnt(boxed: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Return a training on boxes, with losses on boxes of video."""
    losses = "model.losses_to_use=[temporal,pca_multiview]"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("work"))
        done = train(boxed, losses, "training.train_frames=16")
    assert done.code == 0, done.err
    return done


def test_a_model_learns_from_video_cut_to_boxes(learnt: Done) -> None:
    assert "for temporal, pca_multiview" in learnt.sentences
    assert "shown whole" not in learnt.sentences


def test_evaluate_shows_the_boxes_of_the_run(learnt: Done) -> None:
    """The numbers are those that followed the training."""
    recorded = json.loads((learnt.run_dir / "metrics.json").read_text())["labels"]
    done = litpose("evaluate", learnt.run_dir, "--json", "--device", "cpu")
    assert done.code == 0, done.err
    assert done.json["train"]["mean_px"] == pytest.approx(recorded["train"]["mean_px"], abs=0.05)


def test_evaluate_takes_other_boxes(learnt: Done, boxed: Path, tmp_path: Path) -> None:
    images = read_labels(boxed / "CollectedData.csv", data_dir=boxed).images
    rows = "".join(f"{image},0,0,208,256\n" for image in images)
    (tmp_path / "whole.csv").write_text("image," + HEAD + rows)
    whole = litpose(
        "evaluate", learnt.run_dir, "--json", "--bbox-file", tmp_path / "whole.csv"
    ).json
    own = litpose("evaluate", learnt.run_dir, "--json").json
    assert abs(whole["train"]["mean_px"] - own["train"]["mean_px"]) > 0.5


def test_a_predicted_label_file_shows_the_boxes_of_the_run(
    learnt: Done, boxed: Path, tmp_path: Path
) -> None:
    done = litpose(
        "predict", learnt.run_dir, boxed / "CollectedData.csv", "--out", tmp_path, "--no-metrics"
    )
    assert done.code == 0, done.err
    found = Predictions.read(tmp_path / "CollectedData.csv").xy_img
    expected = Predictions.read(learnt.run_dir / "predictions.csv").xy_img
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_images_without_a_box_are_named(learnt: Done, boxed: Path, tmp_path: Path) -> None:
    lines = (boxed / "boxes.csv").read_text().splitlines(keepends=True)
    few = tmp_path / "few.csv"
    few.write_text("".join(line for line in lines if "walk2" not in line))
    done = litpose("evaluate", learnt.run_dir, "--bbox-file", few)
    assert done.code != 0
    assert "There is no bounding box for 10 images" in done.sentences
    assert "--bbox-file" in done.sentences


def test_boxes_of_the_run_that_are_gone_are_asked_for(
    learnt: Done, boxed: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(learnt.run_dir, tmp_path / "run")
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("boxes.csv", "gone.csv"))
    done = litpose("evaluate", run, "--csv", boxed / "CollectedData.csv", "--data-dir", boxed)
    assert done.code != 0
    assert "gone.csv. Name the csv of boxes with --bbox-file" in done.sentences


def test_a_video_takes_boxes_of_any_name(learnt: Done, boxed: Path, tmp_path: Path) -> None:
    video = boxed / "videos" / "new1.mp4"
    boxes = shutil.copy(boxed / "videos" / "new1_bbox.csv", tmp_path / "mine.csv")
    alone = shutil.copy(video, tmp_path / "new1.mp4")
    out = tmp_path / "out"
    done = litpose("predict", learnt.run_dir, alone, "--bbox-file", boxes, "--out", out)
    assert done.code == 0, done.err
    found = Predictions.read(out / "new1.csv").xy_img
    expected = Predictions.read(learnt.run_dir / "video_preds" / "new1.csv").xy_img
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_a_video_shown_whole_to_a_model_of_boxes_is_told(
    learnt: Done, boxed: Path, tmp_path: Path
) -> None:
    alone = shutil.copy(boxed / "videos" / "new1.mp4", tmp_path / "new1.mp4")
    done = litpose("predict", learnt.run_dir, alone, "--out", tmp_path / "out", "--no-metrics")
    assert done.code == 0
    assert "whole frames of new1.mp4" in done.sentences


def test_boxes_that_may_be_of_any_of_several_videos_are_refused(
    learnt: Done, boxed: Path, tmp_path: Path
) -> None:
    boxes = shutil.copy(boxed / "videos" / "new1_bbox.csv", tmp_path / "mine.csv")
    done = litpose("predict", learnt.run_dir, boxed / "videos", "--bbox-file", boxes)
    assert done.code != 0
    assert "cannot be told which video" in done.sentences
    assert "as in new1_bbox.csv for new1.mp4" in done.sentences


@pytest.fixture
def copy(boxed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(boxed, tmp_path / "copy")


def test_unlabelled_video_without_boxes_is_refused(copy: Path) -> None:
    (copy / "videos" / "walk3_bbox.csv").unlink()
    done = train(copy, "model.losses_to_use=[temporal]")
    assert done.code == 2
    assert "walk3.mp4 there is no walk3_bbox.csv" in done.sentences
    assert not Path("outputs").exists()


def test_too_few_boxes_of_a_video_are_counted(copy: Path) -> None:
    (copy / "videos" / "walk3_bbox.csv").write_text(HEAD + "0,0,100,100\n" * 5)
    done = train(copy, "model.losses_to_use=[temporal]")
    assert done.code != 0
    assert "walk3_bbox.csv has 5 rows where the video has 12 frames" in done.sentences


def test_a_new_session_without_boxes_is_refused_before_training(copy: Path) -> None:
    lines = (copy / "boxes.csv").read_text().splitlines(keepends=True)
    (copy / "boxes.csv").write_text("".join(line for line in lines if "new1" not in line))
    done = train(copy)
    assert done.code != 0
    assert "There is no bounding box for 3 images of" in done.sentences
    assert "CollectedData_new.csv" in done.sentences
    assert not list(Path.cwd().rglob("*.ckpt"))
