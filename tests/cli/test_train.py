"""Training through the program: what it leaves, says and can carry on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.metric_table import MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import METRICS
from lightning_pose.data.toy import IMAGE_HEIGHT, IMAGE_WIDTH, KEYPOINT_NAMES
from lightning_pose.data.toy.cache import TOY_VERSION
from lightning_pose.inference.model import Model
from tests.cli.conftest import (
    NEW_FRAMES,
    NUM_LABELED,
    TINY,
    UNTRACKED,
    VIDEO_FRAMES,
    Done,
    litpose,
    tiny_data,
)

FILES = (
    "config.yaml",
    "run.json",
    "splits.csv",
    "labels.csv",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "tb_logs",
    "predictions.csv",
    "predictions_pixel_error.csv",
    "predictions_new.csv",
    "metrics.json",
    "video_preds",
)


@pytest.mark.parametrize("name", FILES)
def test_a_run_directory_holds(run_dir: Path, name: str) -> None:
    assert (run_dir / name).exists()


def test_the_record_of_a_run_is_closed(run_dir: Path) -> None:
    record = json.loads((run_dir / "run.json").read_text())
    assert record["outcome"] == "finished"
    assert record["metrics"]["epochs"] == 2
    assert record["tracking"]["experiment"] == "toy"


@pytest.mark.parametrize("name", ["best", "last"])
def test_checkpoints_hold_nothing_but_tensors_and_plain_values(run_dir: Path, name: str) -> None:
    content = torch.load(run_dir / "checkpoints" / f"{name}.ckpt", weights_only=True)
    assert {"state_dict", "litpose"} <= set(content)


def test_every_labelled_frame_and_video_frame_is_predicted(run_dir: Path) -> None:
    assert len(Predictions.read(run_dir / "predictions.csv").xy_img) == NUM_LABELED
    video = Predictions.read(next((run_dir / "video_preds").glob("walk?.csv")))
    assert len(video.xy_img) == VIDEO_FRAMES


def test_results_are_on_stdout_and_remarks_on_stderr(trained: Done) -> None:
    assert trained.out.splitlines()[0].startswith("set ")
    assert "labelled frames" not in trained.out
    assert "labelled frames (8 train" in trained.sentences
    assert trained.err.count("pca_singleview_error cannot be computed") == 1
    assert "Warning" not in trained.err
    assert "INFO" not in trained.err


def test_resuming_through_the_program_trains_on(run_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "run")
    done = litpose(
        "train",
        f"model.resume={copy}",
        "training.max_epochs=3",
        "eval.predict_vids_after_training=false",
        UNTRACKED,
    )
    assert (done.code, done.run_dir) == (0, copy), done.err
    assert torch.load(copy / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 2
    record = json.loads((copy / "run.json").read_text())
    assert (record["outcome"], record["metrics"]["epochs"]) == ("finished", 3)


def test_two_runs_of_the_same_second_get_folders_of_their_own(toy: Path, tmp_path: Path) -> None:
    line = ("train", "data=toy", tiny_data(toy), *TINY, UNTRACKED, "eval=none")
    same = f"hydra.run.dir={tmp_path / 'same'}"
    first, second = (litpose(*line, "training.max_epochs=1", same) for _ in range(2))
    assert (first.run_dir.name, second.run_dir.name) == ("same", "same_1"), second.err


def test_each_job_of_a_multirun_has_a_run_directory(toy: Path) -> None:
    done = litpose(
        "train",
        "-m",
        "data=toy",
        tiny_data(toy),
        *TINY,
        UNTRACKED,
        "eval=none",
        "training.max_epochs=1",
        "model=regression",
        "training.rng_seed_model_pt=0,1",
    )
    runs = [line.removeprefix("run: ") for line in done.out.splitlines() if line[:4] == "run:"]
    assert done.code == 0, done.err
    assert [load_run_config(Path(run)).training.rng_seed_model_pt for run in runs] == [0, 1]


def test_a_predecessors_file_trains_from_a_relative_folder(toy: Path, tmp_path: Path) -> None:
    layout = Path(__file__).parents[1] / "config" / "files" / "predecessor_2023.yaml"
    tree = yaml.safe_load(layout.read_text(encoding="utf-8"))
    tree["data"] |= {
        "data_dir": str(toy),
        "video_dir": str(toy / "videos"),
        "image_orig_dims": {"height": IMAGE_HEIGHT, "width": IMAGE_WIDTH},
        "image_resize_dims": {"height": 64, "width": 64},
        "num_keypoints": len(KEYPOINT_NAMES),
        "keypoints": list(KEYPOINT_NAMES),
        "mirrored_column_matches": None,
        "columns_for_singleview_pca": None,
    }
    tree["training"] |= {
        "min_epochs": 1,
        "max_epochs": 1,
        "check_val_every_n_epoch": 1,
        "unfreezing_epoch": 0,
        "train_frames": 8,
    }
    tree["training"].pop("lr_scheduler_params")
    tree["eval"]["predict_vids_after_training"] = False
    tree["eval"]["test_videos_directory"] = str(toy / "videos")
    tree["model"] |= {"backbone": "resnet18", "backbone_pretrained": False}
    folder = tmp_path / "my configs"
    folder.mkdir()
    (folder / "mouse.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    done = litpose("train", "--config-path", "my configs", "--config-name", "mouse", UNTRACKED)
    assert done.code == 0, done.err
    assert "data.keypoints" in done.sentences
    assert (done.run_dir / "checkpoints" / "best.ckpt").is_file()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_not_carried_on_with_other_labels(
    toy: Path, run_dir: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(toy, tmp_path / "data")
    copy = shutil.copytree(run_dir, tmp_path / "run")
    labels = data / "CollectedData.csv"
    lines = labels.read_text().splitlines()
    labels.write_text("\n".join(lines[:-1]) + "\n")
    before = contents(copy)
    done = litpose(
        "train",
        f"model.resume={copy}",
        "training.max_epochs=3",
        f"data.data_dir={data}",
        UNTRACKED,
    )
    assert done.code == 1
    assert "CollectedData.csv and images changed since the training in" in done.sentences
    assert "model.checkpoint=" in done.sentences
    assert contents(copy) == before


HOLD_LOCK = """
import fcntl, pathlib, sys
lock = pathlib.Path(sys.argv[1], ".training.lock").open("a+")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_run_that_another_process_trains_is_not_touched(run_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "run")
    before = contents(copy)
    words = [sys.executable, "-c", HOLD_LOCK, str(copy)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        done = litpose("train", f"model.resume={copy}", "training.max_epochs=3")
        holder.communicate()
    assert done.code == 1
    assert f"{copy} is being trained by process" in done.sentences
    assert contents(copy) == before
    assert not Path("mlflow.db").exists()


def test_a_video_that_fails_after_training_is_told_by_the_exit_code(
    toy: Path, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("good.mp4", "good.avi"):
        shutil.copy(toy / "videos" / "new1.mp4", videos / name)
    (videos / "broken.mp4").write_bytes(b"no video")
    line = ("train", "data=toy", tiny_data(toy), *TINY, UNTRACKED, "training.max_epochs=1")
    done = litpose(
        *line, f"eval.test_videos_directory={videos}", f"hydra.run.dir={tmp_path / 'r'}"
    )
    assert (done.code, done.run_dir.name) == (1, "r")
    assert "The model is trained, but broken.mp4 could not be predicted." in done.sentences
    record = json.loads((done.run_dir / "run.json").read_text())
    assert record["outcome"] == "finished"
    for name in ("good_mp4", "good_avi"):  # of one stem, so the suffix tells them apart
        assert (done.run_dir / "video_preds" / f"{name}.csv").exists()
        assert record["metrics"][f"video_{name}"]["frames"] == NEW_FRAMES


def test_labels_of_new_sessions_that_fail_after_training_lose_nothing_else(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict_labels = Model.predict_labels

    def vanished(self: Model, tables: Any, sets: Any, **options: Any) -> list[Predictions]:
        if tables[0].source.name == "CollectedData_new.csv":
            raise DataError("An image has vanished.")
        return predict_labels(self, tables, sets, **options)

    monkeypatch.setattr(Model, "predict_labels", vanished)
    line = ("train", "data=toy", tiny_data(toy), *TINY, UNTRACKED, "training.max_epochs=1")
    done = litpose(*line, "eval=none", f"hydra.run.dir={tmp_path / 'r'}")
    assert (done.code, done.run_dir.name) == (1, "r")
    assert "The model is trained, but CollectedData_new.csv could not be" in done.sentences
    assert f"litpose evaluate {done.run_dir} --csv FILE" in done.sentences
    assert set(json.loads((done.run_dir / "metrics.json").read_text())["labels"]) >= {"train"}
    assert json.loads((done.run_dir / "run.json").read_text())["outcome"] == "finished"


def test_the_evaluation_after_training_takes_so_many_frames_at_a_time(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[object] = []
    predict_labels = Model.predict_labels

    def spy(self: Model, *arguments: Any, **options: Any) -> list[Predictions]:
        sizes.append(options.get("batch_size"))
        return predict_labels(self, *arguments, **options)

    monkeypatch.setattr(Model, "predict_labels", spy)
    line = ("train", "data=toy", tiny_data(toy), *TINY, UNTRACKED, "training.max_epochs=1")
    done = litpose(*line, "eval=none", "training.test_batch_size=3")
    assert done.code == 0, done.err
    assert sizes == [3, 3]  # of the labelled frames and of those of new sessions


def test_a_metric_that_fails_is_said_and_loses_nothing_else(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        name, unit, needs_labels, needs_video = "failing", "px", True, False

        @classmethod
        def build(cls, basis: object) -> Failing:
            return cls()

        def __call__(self, predictions: object, labels: object = None) -> MetricTable:
            raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))
    METRICS.register("failing")(Failing)
    line = ("train", "data=toy", tiny_data(toy), *TINY, UNTRACKED, "training.max_epochs=1")
    done = litpose(*line, "eval=none", f"hydra.run.dir={tmp_path / 'r'}")
    assert done.code == 0, done.err
    assert (
        "The metric failing failed with ZeroDivisionError: nothing to divide by." in done.sentences
    )
    assert (done.run_dir / "predictions_pixel_error.csv").exists()


def test_a_run_that_lost_its_best_weights_stays_as_it_is(run_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "run")
    (copy / "checkpoints" / "best.ckpt").unlink()
    before = contents(copy)
    done = litpose("train", f"model.resume={copy}", "training.max_epochs=3", UNTRACKED)
    assert done.code == 1
    assert "has no best.ckpt, the best weights so far." in done.sentences
    assert contents(copy) == before


def test_a_finished_run_is_not_trained_again_over_its_results(
    run_dir: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "run")
    (copy / "checkpoints" / "last.ckpt").unlink()
    best = (copy / "checkpoints" / "best.ckpt").read_bytes()
    done = litpose("train", f"model.resume={copy}", "training.max_epochs=3", UNTRACKED)
    assert done.code == 1
    assert "was trained to its end, but last.ckpt is gone" in done.sentences
    assert (copy / "checkpoints" / "best.ckpt").read_bytes() == best


@pytest.mark.parametrize(
    "columns",
    ["data.columns_for_singleview_pca=[0,14]", "data.mirrored_column_matches=[[0],[14]]"],
)
def test_keypoints_that_the_csv_does_not_have_are_told_before_training(
    toy: Path, tmp_path: Path, columns: str
) -> None:
    line = ("train", tiny_data(toy), *TINY, UNTRACKED, f"hydra.run.dir={tmp_path / 'r'}")
    done = litpose(*line, columns)
    assert done.code == 2
    assert "has 14, but 14 keypoints count 0 to 13" in done.sentences


def test_a_folder_of_the_users_own_is_not_replaced_by_toy_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    drawn = tmp_path / "lightning_pose" / f"toy-v{TOY_VERSION}-seed0"
    drawn.mkdir(parents=True)
    (drawn / "CollectedData.csv").touch()
    done = litpose("train", "data=toy", f"data.data_dir={tmp_path / 'nope'}", *TINY, UNTRACKED)
    assert done.code == 2
    assert "nope" in done.sentences


def test_a_run_directory_that_holds_the_current_folder_is_refused(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = litpose("train", "data=toy", tiny_data(toy), *TINY, UNTRACKED, "hydra.run.dir=.")
    assert done.code == 2
    assert "a run needs a folder of its own" in done.sentences


def test_a_group_cannot_be_null(toy: Path) -> None:
    done = litpose("train", "data=toy", tiny_data(toy), *TINY, UNTRACKED, "training=null")
    assert done.code == 2
    assert "there is no such choice" in done.sentences
