"""Several cameras through the program: training with video, results of every view, refusals."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_pose.cli.run_metrics import metrics_of
from lightning_pose.contracts.files import file_sha256
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.data.labels import read_labels
from lightning_pose.data.splits import Split
from lightning_pose.data.toy import make_toy_dataset
from lightning_pose.data.worklists import read_worklist
from lightning_pose.inference.model import Model
from lightning_pose.metrics.pca_error import PCASingleviewError
from lightning_pose.metrics.views import computed_by_view
from lightning_pose.video.writer import VideoWriter
from tests.cli.conftest import NEW_FRAMES, NUM_LABELED, TINY, UNTRACKED, Done, litpose, tiny_data
from tests.cli.test_train_on_video import COUNTS, SHORT

VIEWS = ("side", "below")
LOSSES = "model.losses_to_use=[pca_multiview,temporal,pca_singleview]"
POSE = (
    "data.columns_for_singleview_pca=[0,5,6]",
    "losses.pca_singleview.components_to_keep=2",
    "training.train_frames=16",
)


@pytest.fixture(scope="session")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small toy data set of two cameras."""
    return make_toy_dataset(
        tmp_path_factory.mktemp("cameras") / "data",
        num_labeled=NUM_LABELED,
        num_sessions=2,
        num_video_frames=8,
        num_new_labeled=3,
        num_new_video_frames=NEW_FRAMES,
        separate_cameras=True,
    )


def train(folder: Path, *more: object) -> Done:
    words = (*TINY, *SHORT, *COUNTS, *POSE, LOSSES)
    return litpose("train", "data=toy_cameras", tiny_data(folder), *words, *more)


@pytest.fixture(scope="module")
def learnt(cameras: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("work"))
        done = train(cameras)
    assert done.code == 0, done.err
    return done


def test_the_losses_compare_all_keypoints_of_both_views(learnt: Done, cameras: Path) -> None:
    """The subspaces in the checkpoint are those that numpy finds in the labels."""
    run = learnt.run_dir
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["losses"]
    found = {
        key.split("pca_multiview.")[-1]: v for key, v in content.items() if "multiview" in key
    }
    rows = Split.read(run / "splits.csv").rows("train")
    views = [
        read_labels(cameras / f"CollectedData_{view}.csv", data_dir=cameras).xy_img[rows]
        for view in VIEWS
    ]
    points = np.concatenate(views, axis=-1).reshape(-1, 4)
    points = points[np.isfinite(points).all(axis=1)]
    np.testing.assert_allclose(found["mean"][0], points.mean(axis=0), rtol=1e-4)
    _, _, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    ours = found["components"][0].double().numpy()
    np.testing.assert_allclose(ours.T @ ours, directions[:3].T @ directions[:3], atol=1e-3)
    np.testing.assert_array_equal(found["columns"], [[k, k + 7] for k in range(7)])


def test_every_view_has_its_predictions_and_metrics(learnt: Done) -> None:
    names = {path.name for path in (learnt.run_dir / "video_preds").glob("*.csv")}
    metrics = ("", "_temporal_norm", "_pca_singleview_error", "_pca_multiview_error")
    wanted = {f"{s}_{v}{m}.csv" for s in ("walk3", "new1") for v in VIEWS for m in metrics}
    assert names == wanted
    for view in VIEWS:
        assert (learnt.run_dir / f"predictions_{view}_pca_multiview_error.csv").is_file()


def test_pose_errors_of_a_view_are_fitted_to_its_own_labels(learnt: Done, cameras: Path) -> None:
    model = Model.load(learnt.run_dir, device="cpu", precision="fp32")
    metric = next(m for m in metrics_of(model).metrics if m.name == "pca_singleview_error")
    assert isinstance(metric, PCASingleviewError)
    rows = Split.read(learnt.run_dir / "splits.csv").rows("train")
    for view, subspace in zip(VIEWS, metric.subspaces, strict=True):
        labels = read_labels(cameras / f"CollectedData_{view}.csv", data_dir=cameras)
        poses = labels.xy_img[rows][:, [0, 5, 6]].reshape(len(rows), 6)
        complete = poses[np.isfinite(poses).all(axis=1)]
        np.testing.assert_allclose(subspace.mean, complete.mean(axis=0), rtol=1e-4)


def test_the_written_pose_errors_are_those_of_the_view(learnt: Done) -> None:
    folder = learnt.run_dir / "video_preds"
    model = Model.load(learnt.run_dir, device="cpu", precision="fp32")
    found = [Predictions.read(folder / f"walk3_{view}.csv") for view in VIEWS]
    for metric in metrics_of(model).metrics:
        if metric.needs_labels:
            continue
        for view, table in zip(
            VIEWS, computed_by_view(metric, found, view_names=VIEWS), strict=True
        ):
            text = (folder / f"walk3_{view}_{metric.name}.csv").read_text()
            cells = [row[1:] for row in csv.reader(text.splitlines())][1:]
            rows = [[float(cell or "nan") for cell in row] for row in cells]
            np.testing.assert_allclose(rows, table.values, rtol=1e-3, atol=1e-2)


def test_every_view_is_told_and_recorded(learnt: Done) -> None:
    titles = [line for line in learnt.out.splitlines() if line in ("side", "below", "all views")]
    assert titles == ["side", "below", "all views"]
    for name in ("walk3_side", "walk3_below", "new1_side", "new1_below"):
        assert f"\n{name}: " in learnt.out
    summary = json.loads((learnt.run_dir / "metrics.json").read_text())["labels"]
    assert list(summary) == ["side", "below", "all_views"]
    metrics = json.loads((learnt.run_dir / "run.json").read_text())["metrics"]
    assert metrics["side_test_mean_px"] == pytest.approx(summary["side"]["test"]["mean_px"])
    assert metrics["test_mean_px"] == pytest.approx(summary["all_views"]["test"]["mean_px"])
    assert metrics["below_ood_new_mean_px"] == summary["below"]["ood_new"]["mean_px"]
    assert {"video_walk3_side", "video_walk3_below"} <= set(metrics)


def test_the_number_of_all_views_is_over_all_points(learnt: Done) -> None:
    views = json.loads((learnt.run_dir / "metrics.json").read_text())["labels"]
    parts = [views[view]["test"] for view in VIEWS]
    together = views["all_views"]["test"]
    assert together["n"] == sum(part["n"] for part in parts)
    mean = sum(part["n"] * part["mean_px"] for part in parts) / together["n"]
    assert together["mean_px"] == pytest.approx(mean)


def test_evaluate_and_predict_take_both_views(learnt: Done, cameras: Path, tmp_path: Path) -> None:
    done = litpose("evaluate", learnt.run_dir, "--json", "--device", "cpu")
    assert list(done.json) == ["side", "below", "all_views"]
    videos = [cameras / "videos" / f"new1_{view}.mp4" for view in VIEWS[::-1]]
    done = litpose("predict", learnt.run_dir, *videos, "--out", tmp_path, "--json")
    assert done.code == 0, done.err
    (session,) = done.json
    assert [Path(name).stem for name in session["inputs"]] == ["new1_side", "new1_below"]
    again = Predictions.read(tmp_path / "new1_below.csv")
    first = Predictions.read(learnt.run_dir / "video_preds" / "new1_below.csv")
    np.testing.assert_allclose(again.xy_img, first.xy_img, atol=0.05)


def test_one_view_alone_is_asked_for_the_other(learnt: Done, cameras: Path) -> None:
    done = litpose("predict", learnt.run_dir, cameras / "videos" / "new1_side.mp4")
    assert done.code == 1
    assert "The session 'new1'" in done.sentences
    assert "has no file for the view below" in done.sentences


@pytest.fixture
def copy(cameras: Path, tmp_path: Path) -> Path:
    """Return a copy of the data set that may be spoilt."""
    return shutil.copytree(cameras, tmp_path / "copy")


def film(path: Path, *, frames: int, width: int, height: int) -> None:
    with VideoWriter(path, fps=30, width=width, height=height) as video:
        for _ in range(frames):
            video.write(np.zeros((height, width, 3), np.uint8))


def refused(folder: Path, *more: object) -> str:
    done = train(folder, UNTRACKED, *more)
    assert done.code != 0
    assert not list(Path.cwd().rglob("*.ckpt"))
    return done.sentences


def test_a_session_that_lacks_a_view_is_refused(copy: Path) -> None:
    (copy / "videos" / "walk3_below.mp4").unlink()
    sentence = refused(copy)
    assert "The session 'walk3' has no video of the view below beside" in sentence


def test_views_with_different_sessions_are_refused(copy: Path) -> None:
    (copy / "videos" / "walk3_below.mp4").rename(copy / "videos" / "walk9_below.mp4")
    assert "The session 'walk3' has no video of the view below beside" in refused(copy)


def test_views_with_different_frame_counts_are_refused(copy: Path) -> None:
    film(copy / "videos" / "walk3_below.mp4", frames=6, width=256, height=112)
    sentence = refused(copy)
    assert "must have equally many frames" in sentence
    assert "walk3_side.mp4 8, walk3_below.mp4 6" in sentence


def test_a_view_of_another_size_than_its_labels_is_refused(copy: Path) -> None:
    film(copy / "videos" / "walk3_below.mp4", frames=8, width=128, height=112)
    sentence = refused(copy)
    assert "walk3_below.mp4 is 128 x 112 pixels, the labelled images are 256 x 112" in sentence


def test_labels_of_different_moments_are_refused(copy: Path) -> None:
    lines = (copy / "CollectedData_below.csv").read_text().splitlines(keepends=True)
    (copy / "CollectedData_below.csv").write_text("".join([*lines[:4], *lines[5:], lines[4]]))
    assert "Row 2 differs between views" in refused(copy)


def test_a_video_that_names_no_view_is_refused(copy: Path) -> None:
    film(copy / "videos" / "walk4.mp4", frames=8, width=256, height=96)
    assert "walk4.mp4 should name one of the views side, below" in refused(copy)


def test_videos_that_make_no_session_do_not_undo_a_training(copy: Path) -> None:
    """Without losses on video nothing asks for them before the training is done."""
    (copy / "videos" / "walk3_below.mp4").unlink()
    words = (*TINY, "training.max_epochs=1", "data.columns_for_singleview_pca=null", UNTRACKED)
    done = litpose("train", "data=toy_cameras", tiny_data(copy), *words)
    assert done.code == 1
    assert "The session 'walk3'" in done.sentences
    assert "The model is trained, but walk3_side.mp4 could not be predicted." in done.sentences
    assert f"litpose predict {done.run_dir} FILE" in done.sentences
    names = {path.name for path in (done.run_dir / "video_preds").glob("*.csv")}
    assert {"new1_side.csv", "new1_below.csv"} <= names


def test_suggested_frames_have_a_worklist_for_each_view(
    learnt: Done, cameras: Path, tmp_path: Path
) -> None:
    videos = [cameras / "videos" / f"new1_{view}.mp4" for view in VIEWS[::-1]]  # not as configured
    out = tmp_path / "out"
    done = litpose("suggest", learnt.run_dir, *videos, "--n", 2, "--out", out)
    assert done.code == 0, done.err
    for view in VIEWS:
        worklist = read_worklist(out / f"worklist_{view}.csv", data_dir=out)
        assert {Path(image).parent.name for image in worklist.table.images} == {f"new1_{view}"}
        labels = cameras / f"CollectedData_{view}.csv"
        assert worklist.labels_sha256 == file_sha256(labels)
        merge = f"litpose labels merge {labels} {out / f'worklist_{view}.csv'} --in-place"
        assert merge in done.sentences
    lacking = litpose("suggest", learnt.run_dir, videos[0], "--out", tmp_path / "other")
    assert lacking.code == 1
    assert "has no file for the view side" in lacking.sentences
    assert "could not be predicted" not in lacking.sentences
    assert not (tmp_path / "other").exists()
