"""Training on unlabelled video through the program: what it leaves, says and refuses."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_pose.cli.train.run_tags import datasets
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.video.writer import VideoWriter
from tests.cli.conftest import TINY, UNTRACKED, Done, litpose, tiny_data
from tests.video.corpus import copy_packets, encode

SHORT = ("dali.base.train.sequence_length=4", "dali.context.train.batch_size=5")
COUNTS = ("callbacks.anneal_weight.init_val=1.0", "callbacks.anneal_weight.freeze_until_epoch=0")
NO_EXTRAS = ("eval.predict_vids_after_training=false", UNTRACKED)


def train_on_video(folder: Path, losses: Sequence[str], *more: object) -> Done:
    chosen = f"model.losses_to_use=[{','.join(losses)}]"
    words = (*TINY, *SHORT, *COUNTS, *NO_EXTRAS, chosen, *more)
    return litpose("train", "data=toy", tiny_data(folder), *words)


@pytest.fixture(scope="module")
def learnt(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Return a training on video, run in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("work"))
        few = "losses.pca_singleview.components_to_keep=2"
        columns = "data.columns_for_singleview_pca=[0,1]"
        return train_on_video(
            toy, ["temporal", "pca_singleview"], few, columns, "training.train_frames=16"
        )


def test_a_model_learns_from_the_toy_videos(learnt: Done) -> None:
    assert learnt.code == 0, learnt.err
    assert (
        "10 sequences of unlabelled video an epoch, for temporal, pca_singleview"
        in learnt.sentences
    )


def test_the_losses_on_video_are_among_the_curves(learnt: Done) -> None:
    curves = EventAccumulator(str(learnt.run_dir / "tb_logs")).Reload().Tags()["scalars"]
    names = {f"val_{name}_loss" for name in ("temporal", "pca_singleview")}
    assert names | {"total_unsupervised_importance"} <= set(curves)


def test_the_subspace_of_poses_is_in_the_checkpoint(learnt: Done) -> None:
    content = torch.load(learnt.run_dir / "checkpoints" / "best.ckpt", weights_only=True)
    shapes = {
        key.rpartition(".")[2]: tuple(value.shape) for key, value in content["losses"].items()
    }
    assert shapes["components"] == (1, 2, 4)


def test_the_videos_are_in_the_record_by_their_hash(learnt: Done, toy: Path) -> None:
    listed = datasets(RunRecord.read(learnt.run_dir / "run.json").data)
    for path in (toy / "videos").glob("*.mp4"):  # so small that they are hashed whole
        size = path.stat().st_size.to_bytes(8, "big")
        assert listed[path.name]["sha256"] == sha256(size + path.read_bytes()).hexdigest()
        assert listed[path.name]["path"] == str(path)
    assert {"CollectedData.csv", "images"} <= set(listed)


def test_a_model_that_learnt_from_video_predicts(learnt: Done, toy: Path, tmp_path: Path) -> None:
    video = next((toy / "videos").iterdir())
    done = litpose("predict", learnt.run_dir, video, "--out", tmp_path, "--no-metrics")
    assert done.code == 0, done.err


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["heatmap_mhcrnn", "regression"])
def test_every_kind_of_tracker_learns_from_video(toy: Path, work: Path, kind: str) -> None:
    long_enough = next(video for video in (toy / "videos").iterdir() if "new" not in video.name)
    (work / "one").mkdir()
    shutil.copy(long_enough, work / "one")
    choice = (
        f"model.model_type={kind}",
        "training.max_epochs=1",
        f"data.video_dir={work / 'one'}",
    )
    done = train_on_video(toy, ["temporal"], *choice)
    assert done.code == 0, done.err


def test_a_loss_that_the_tracker_cannot_feed_is_refused(toy: Path, work: Path) -> None:
    done = train_on_video(toy, ["unimodal_mse"], "model.model_type=regression")
    assert done.code == 2
    assert "'unimodal_mse' needs heatmaps_pred" in done.sentences
    assert "model.losses_to_use" in done.sentences
    assert not (work / "outputs").exists()


def test_a_folder_without_video_is_refused(toy: Path, work: Path) -> None:
    (work / "empty").mkdir()
    done = train_on_video(toy, ["temporal"], f"data.video_dir={work / 'empty'}")
    assert done.code == 2
    assert "holds no video" in done.sentences
    assert not (work / "outputs").exists()


def test_a_video_too_short_for_a_sequence_is_named(toy: Path, work: Path) -> None:
    done = train_on_video(toy, ["temporal"], "dali.base.train.sequence_length=500")
    assert done.code != 0
    assert "a training batch needs 500 consecutive ones" in done.sentences


def test_too_few_complete_labels_are_counted(toy: Path, work: Path) -> None:
    done = train_on_video(toy, ["pca_singleview"])
    assert done.code != 0
    assert "pca_singleview" in done.sentences
    assert not list(work.rglob("*.ckpt"))


def test_a_video_of_another_size_than_the_labels_is_named(toy: Path, work: Path) -> None:
    (work / "other").mkdir()
    with VideoWriter(work / "other" / "wide.mp4", fps=10, width=96, height=64) as video:
        for _ in range(8):
            video.write(np.zeros((64, 96, 3), np.uint8))
    few = ("losses.pca_singleview.components_to_keep=2", "data.columns_for_singleview_pca=[0,1]")
    words = (*few, "training.train_frames=16", f"data.video_dir={work / 'other'}")
    done = train_on_video(toy, ["pca_singleview"], *words)
    assert done.code != 0
    assert "wide.mp4 is 96 x 64 pixels, the labelled images are" in done.sentences
    assert train_on_video(toy, ["temporal"], *words, "training.max_epochs=1").code == 0


@pytest.fixture
def one_video(toy: Path, work: Path) -> Path:
    """Return a folder with one of the toy videos."""
    folder = work / "one"
    folder.mkdir()
    shutil.copy(next(v for v in (toy / "videos").iterdir() if "new" not in v.name), folder)
    return folder


def test_a_training_goes_on_with_the_same_videos_only(
    toy: Path, work: Path, one_video: Path
) -> None:
    one_epoch = (f"data.video_dir={one_video}", "training.max_epochs=1")
    done = train_on_video(toy, ["temporal"], *one_epoch)
    resume = ["train", f"model.resume={done.run_dir}", "training.max_epochs=2", UNTRACKED]
    moved = one_video.rename(work / "moved")
    resume += [f"data.video_dir={moved}", f"eval.test_videos_directory={moved}"]
    shutil.copy(next(moved.iterdir()), moved / "another.mp4")
    refused = litpose(*resume)
    assert refused.code == 1
    assert "another.mp4 (it is new) changed since the training" in refused.sentences
    video = (moved / "another.mp4").replace(next(moved.glob("[!a]*.mp4")))
    content = video.read_bytes()
    video.write_bytes(content + b"more")
    refused = litpose(*resume)
    assert f"{video.name} changed since the training" in refused.sentences
    video.write_bytes(content)
    assert litpose(*resume).code == 0


def test_frames_that_were_lost_are_told_after_the_training(toy: Path, work: Path) -> None:
    folder = work / "damaged"
    folder.mkdir()
    whole = encode(work / "whole.avi", range(30), codec="mjpeg", pix_fmt="yuvj420p")
    copy_packets(whole, folder / "damaged.avi", damage=[12])
    done = train_on_video(toy, ["temporal"], f"data.video_dir={folder}", "training.max_epochs=1")
    assert done.code == 0, done.err
    assert "frames that could not be decoded were replaced" in done.sentences


def test_video_counts_after_a_fifth_of_a_length_in_steps(toy: Path, one_video: Path) -> None:
    in_steps = ("training.max_epochs=null", "training.max_steps=30")  # three epochs
    usual = (
        "callbacks.anneal_weight.init_val=0",
        "callbacks.anneal_weight.freeze_until_epoch=null",
    )
    words = (*in_steps, *usual, f"data.video_dir={one_video}", "training.train_frames=4")
    done = train_on_video(toy, ["temporal"], *words)
    assert done.code == 0, done.err
    curves = EventAccumulator(str(done.run_dir / "tb_logs")).Reload()
    counted = [event.value for event in curves.Scalars("total_unsupervised_importance")]
    assert counted == pytest.approx([0, 0, 0.01])
