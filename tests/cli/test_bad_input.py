"""What is wrong is said in one clear sentence, with an exit code, whatever command meets it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.data.labels import read_labels
from lightning_pose.data.toy import make_toy_video
from lightning_pose.models.build import build_tracker, save_weights
from lightning_pose.models.weight_files import read_weight_file
from tests.cli.conftest import TINY, UNTRACKED, Done, litpose, tiny_data

Damage = Callable[[Path], None]
FAILED, WRONG_USAGE = 1, 2


def train(data: Path, *words: str) -> Done:
    return litpose("train", "data=toy", tiny_data(data), *TINY, UNTRACKED, "eval=none", *words)


def assert_clear(done: Done, code: int, *said: str) -> None:
    """Check an error: its exit code, its words, no traceback, no blame on the program."""
    assert done.code == code, done.err
    for words in said:
        assert words in done.sentences
    assert "Traceback" not in done.err
    assert "fault of litpose" not in done.err


def lines_of(data: Path) -> list[str]:
    return (data / "CollectedData.csv").read_text(encoding="utf-8").splitlines()


def rewrite(data: Path, lines: list[str]) -> None:
    (data / "CollectedData.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def remove_an_image(data: Path) -> None:
    next(data.glob("labeled-data/walk1/*.png")).parent.rename(data / "labeled-data" / "moved")


def break_the_header(data: Path) -> None:
    rewrite(data, lines_of(data)[2:])


def rename_a_keypoint(data: Path) -> None:
    rewrite(data, [line.replace("nose_side", "snout") for line in lines_of(data)])


def repeat_a_row(data: Path) -> None:
    lines = lines_of(data)
    rewrite(data, [*lines, lines[-1]])


def remove_all_labels(data: Path) -> None:
    lines = lines_of(data)
    rewrite(data, lines[:3] + [line.split(",")[0] + "," * line.count(",") for line in lines[3:]])


def spoil_an_image(data: Path) -> None:
    image = data / lines_of(data)[3].split(",")[0]
    image.write_bytes(image.read_bytes()[:100])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (remove_an_image, "walk1/"),
        (break_the_header, "CollectedData.csv"),
        (rename_a_keypoint, "snout"),
        (repeat_a_row, "CollectedData.csv"),
        (remove_all_labels, "CollectedData.csv"),
        (spoil_an_image, "labeled-data/walk1/"),
    ],
)
def test_labels_that_cannot_be_used_stop_the_training(
    toy: Path, tmp_path: Path, damage: Damage, said: str
) -> None:
    data = shutil.copytree(toy, tmp_path / "data")
    damage(data)
    done = train(data)
    assert done.code in (FAILED, WRONG_USAGE)
    assert_clear(done, done.code, said)


def test_labels_outside_and_an_empty_first_row_are_survived(toy: Path, tmp_path: Path) -> None:
    data = shutil.copytree(toy, tmp_path / "data")
    lines = lines_of(data)
    lines[3] = lines[3].split(",")[0] + "," * lines[3].count(",")
    name, x, *rest = lines[4].split(",")
    lines[4] = ",".join([name, "5000.0", *(rest if x else ["10.0", *rest[1:]])])
    rewrite(data, lines)
    done = train(data, "training.max_epochs=1", "training.train_frames=1")
    assert done.code == 0, done.err
    assert name in done.sentences
    kept = read_labels(done.run_dir / "labels.csv", data_dir=data)
    assert len(kept) == len(lines) - 3


def test_one_labelled_frame_is_too_few_to_validate_on(toy: Path, tmp_path: Path) -> None:
    data = shutil.copytree(toy, tmp_path / "data")
    rewrite(data, lines_of(data)[:4])
    done = train(data, "training.max_epochs=1")
    sentence = "There is 1 labelled image; training with validation needs at least two."
    assert_clear(done, FAILED, sentence, "Label more images, or set val_prob=0.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trainng.max_epochs=3"], "did you mean training.max_epochs?"),
        (["training.max_epochs=soon"], "training.max_epochs"),
        (["training.train_prob=0.9", "training.val_prob=0.4"], "add up to 1.3"),
        (["training.lr_scheduler_params.milestones=[1,500]"], "past the end of training"),
        (["training.imgaug={Rotat: {p: 0.3}}"], "Rotat"),
        (["eval.colormap=colo"], "There is no colour map named 'colo'. Did you mean 'cool'?"),
        (["--config-name", "nowhere"], "nowhere"),
        (["model=nowhere"], "nowhere"),
        (["model.resume=nowhere"], "nowhere"),
    ],
)
def test_a_wrong_configuration_is_refused_at_once(toy: Path, words: list[str], said: str) -> None:
    assert_clear(
        train(toy, *words) if "resume" not in words[0] else litpose("train", *words),
        WRONG_USAGE,
        said,
    )
    assert not Path("outputs").exists()


def test_a_checkpoint_of_another_model_is_refused(run_dir: Path, toy: Path) -> None:
    assert_clear(
        train(toy, "model=regression", f"model.checkpoint={run_dir}"), FAILED, "best.ckpt"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("config.yaml", "lacks config.yaml. To predict with the weights alone, give"),
        ("checkpoints", "lacks checkpoints/best.ckpt; did its training finish a validation?"),
    ],
)
def test_a_run_directory_with_a_missing_file_says_which(
    run_dir: Path, toy: Path, tmp_path: Path, name: str, said: str
) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "run")
    path = copy / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = litpose("predict", copy, toy / "videos" / "new1.mp4")
    assert_clear(done, FAILED, f"The run directory {copy} {said}")


@pytest.mark.parametrize("name", ["splits.csv", "labels.csv"])
def test_a_video_is_predicted_without_the_labels_of_the_run(
    run_dir: Path, toy: Path, tmp_path: Path, name: str
) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "run")
    (copy / name).unlink()
    video = toy / "videos" / "new1.mp4"
    done = litpose("predict", copy, video, "--out", tmp_path / "preds")
    assert_clear(done, 0, "The labels the model was trained on are not at hand.")
    assert (tmp_path / "preds" / "new1_temporal_norm.csv").is_file()


@pytest.mark.parametrize("command", ["predict", "evaluate", "demo"])
def test_results_cannot_go_into_a_file(
    run_dir: Path, toy: Path, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    words = {"predict": [run_dir, toy / "videos"], "evaluate": [run_dir], "demo": []}[command]
    assert_clear(
        litpose(command, *words, "--out", file),
        FAILED,
        f"{file} is a file, but results need a folder. Name another one.",
    )


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, toy: Path) -> None:
    other = tmp_path / "other.ckpt"
    torch.save({"weights": torch.zeros(3)}, other)
    assert_clear(litpose("predict", other, toy / "videos"), FAILED, "other.ckpt")


@pytest.mark.parametrize("kind", ["empty", "truncated", "text"])
def test_a_bad_video_fails_and_the_others_are_predicted(
    run_dir: Path, toy: Path, tmp_path: Path, kind: str
) -> None:
    good = (toy / "videos" / "new1.mp4").read_bytes()
    contents = {
        "empty": b"",
        "truncated": good[: len(good) // 2],
        "text": b"no video at all\n" * 9,
    }
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "bad.mp4").write_bytes(contents[kind])
    (folder / "good.mp4").write_bytes(good)
    done = litpose("predict", run_dir, folder, "--out", tmp_path / "preds")
    assert_clear(done, FAILED, "bad.mp4")
    assert sorted(path.name for path in (tmp_path / "preds").glob("*d.csv")) == ["good.csv"]


def test_nothing_to_predict_is_said(run_dir: Path, tmp_path: Path) -> None:
    assert_clear(litpose("predict", run_dir, tmp_path / "nowhere"), FAILED, "nowhere")
    (tmp_path / "folder").mkdir()
    assert_clear(litpose("predict", run_dir, tmp_path / "folder"), FAILED, "folder")


def test_an_unreadable_image_of_a_folder_is_named(run_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "img0.png")
    (folder / "img1.png").write_bytes(b"no image")
    assert_clear(litpose("predict", run_dir, folder), FAILED, "img1.png")


@pytest.mark.parametrize(
    "words",
    [
        ["--batch-size", "0"],
        ["--device", "toaster"],
        ["--device", "cuda:x"],
        ["--format", "docx"],
        ["--format", ","],
    ],
)
def test_wrong_options_are_wrong_usage(run_dir: Path, toy: Path, words: list[str]) -> None:
    done = litpose("predict", run_dir, toy / "videos" / "new1.mp4", *words)
    assert_clear(done, WRONG_USAGE, words[1] if words[1] != "," else "got none of them")


def test_no_frame_at_a_time_is_wrong_usage_of_bench(run_dir: Path, toy: Path) -> None:
    done = litpose("bench", run_dir, toy / "videos" / "new1.mp4", "--batch-size", "0")
    assert_clear(done, WRONG_USAGE, "--batch-size should be at least 1, got 0.")


def test_a_full_disk_leaves_nothing_half_written(
    run_dir: Path, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "preds"

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(Path, "replace", full)
    monkeypatch.setattr(Path, "rename", full)
    done = litpose("predict", run_dir, toy / "videos" / "new1.mp4", "--out", out)
    assert_clear(done, FAILED, "new1.litpose.json was not written: the disk is full")
    assert list(out.glob("[!.]*")) == []


@pytest.mark.parametrize("option", ["--out", "--bbox-file", "--data-dir"])
def test_an_empty_path_is_none(option: str) -> None:
    done = litpose("predict", "MODEL", "VIDEO", option, "")
    assert done.code == WRONG_USAGE
    assert f"argument {option}: an empty text; is a variable of the shell not set?" in done.err


def test_a_reader_that_there_is_not_costs_no_rows_of_an_earlier_call(tmp_path: Path) -> None:
    spec = ModelSpec(
        model_type="heatmap",
        backbone="resnet18",
        keypoint_names=("nose",),
        image_height=64,
        image_width=64,
    )
    model = save_weights(build_tracker(spec), tmp_path / "m.ckpt")
    video = make_toy_video(tmp_path / "v.mp4", session=1, num_frames=5)
    (tmp_path / "out").mkdir()
    kept = tmp_path / "out" / ".v.litpose-rows"
    kept.write_text("rows of an earlier call")
    words = ("--out", str(tmp_path / "out"), "--reader", "pyavv", "--device", "cpu")
    assert_clear(litpose("predict", str(model), str(video), *words), WRONG_USAGE, "pyavv", "pyav")
    assert kept.read_text() == "rows of an earlier call"


def test_a_folder_that_was_deleted_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert_clear(litpose("predict", "MODEL", "VIDEO"), FAILED, "The current folder was deleted")


def test_weights_that_may_not_be_read_are_not_called_spoilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    weights = tmp_path / "best.ckpt"
    weights.touch()
    monkeypatch.setattr(torch, "load", closed)
    with pytest.raises(ModelError, match=r"best\.ckpt may not be read; ask its owner"):
        read_weight_file(weights)
