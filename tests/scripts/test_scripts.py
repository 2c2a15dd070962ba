"""The commands of the predecessor's documents do what `litpose` does."""

from __future__ import annotations

import argparse
import os
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lightning_pose.cli.look import reviewing
from lightning_pose.cli.main import make_parser
from lightning_pose.cli.predict import predicting
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.outputs import OutputSettings
from lightning_pose.inference.session import PredictSettings
from lightning_pose.video.decode import count_frames
from tests.cli.conftest import NEW_FRAMES, VIDEO_FRAMES
from tests.cli.conftest import run_dir as run_dir
from tests.cli.conftest import toy as toy
from tests.cli.conftest import trained as trained


def run_script(checkout: Path, name: str, *words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a script as Python does; return its exit code."""
    monkeypatch.setattr(sys, "argv", [name, *words])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(checkout / "scripts" / name), run_name="__main__")
    return int(stop.value.code or 0)


def test_train_hydra_is_the_train_command(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run_script(checkout, "train_hydra.py", "training.max_epoch=11", monkeypatch=monkeypatch)
    assert code == 2
    assert "did you mean training.max_epochs?" in " ".join(capsys.readouterr().err.split())


def test_predict_new_vids_writes_a_folder_for_each_model(
    checkout: Path, run_dir: Path, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("01-03-45", "02-03-45"):
        shutil.copytree(run_dir, tmp_path / "outputs" / "2022-01-18" / name)
    code = run_script(
        checkout,
        "predict_new_vids.py",
        'eval.hydra_paths=["2022-01-18/01-03-45/", "2022-01-18/02-03-45"]',
        f"eval.test_videos_directory={toy / 'videos'}",
        f"eval.saved_vid_preds_dir={tmp_path / 'preds'}",
        monkeypatch=monkeypatch,
    )
    assert code == 0
    for model in ("2022-01-18_01-03-45", "2022-01-18_02-03-45"):
        tables = sorted((tmp_path / "preds" / model).glob("*[0-9].csv"))
        assert [len(Predictions.read(table).xy_img) for table in tables] == [
            NEW_FRAMES,
            VIDEO_FRAMES,
        ]


@pytest.mark.parametrize("from_file", [False, True])
def test_predict_new_vids_draws_and_batches_as_it_is_told(
    checkout: Path,
    run_dir: Path,
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    from_file: bool,
) -> None:
    asked: list[tuple[OutputSettings, PredictSettings]] = []

    def predict_files(
        *_: object, outputs: OutputSettings, settings: PredictSettings, **__: object
    ) -> list[object]:
        asked.append((outputs, settings))
        return []

    monkeypatch.setattr(predicting, "predict_files", predict_files)
    wishes = {"confidence_thresh_for_vid": 0.25, "colormap": "jet"}
    words = [f"eval.{key}={value}" for key, value in wishes.items()]
    words.append("dali.base.predict.sequence_length=3")
    if from_file:
        tree = {"eval": wishes, "dali": {"base": {"predict": {"sequence_length": 3}}}}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(tree))
        words = ["--config-path", str(tmp_path), "--config-name", "mine"]
    where = (f"eval.hydra_paths=[{run_dir}]", f"eval.test_videos_directory={toy / 'videos'}")
    name = "predict_new_vids.py"
    assert run_script(checkout, name, *where, *words, monkeypatch=monkeypatch) == 0
    ((outputs, settings),) = asked
    assert (outputs.confidence_threshold, outputs.colormap) == (0.25, "jet")
    assert settings.batch_size == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "eval.hydra_paths"),
        (['eval.hydra_paths=["2022-01-18/01-03-45"]'], "2022-01-18/01-03-45"),
        (["eval.hydra_path=[a]"], "did you mean eval.hydra_paths?"),
    ],
)
def test_predict_new_vids_says_what_is_missing(
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    assert run_script(checkout, "predict_new_vids.py", *words, monkeypatch=monkeypatch) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ("true false False", (True, False, False)),
        ("False True true", (False, True, True)),
    ],
)
def test_process_videos_maps_its_words_to_options(
    checkout: Path, tmp_path: Path, flags: str, wanted: tuple[bool, bool, bool]
) -> None:
    done = process_videos(checkout, tmp_path, "my model", "my videos", *flags.split())
    words = shlex.split(done.stdout)
    assert words[:2] == ["-m", "lightning_pose.cli.main"]
    args = make_parser().parse_args(words[2:])
    assert (args.model, args.inputs) == ("my model", ["my videos"])
    assert (not args.no_metrics, args.labeled_video, args.snippet) == wanted


@pytest.mark.parametrize("words", ["a b true", "a b true maybe false"])
def test_process_videos_refuses_other_words(checkout: Path, tmp_path: Path, words: str) -> None:
    done = process_videos(checkout, tmp_path, *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert "true or false" in done.stderr


@pytest.mark.parametrize("eks", ["true", "FALSE"])
def test_an_ensemble_is_predicted_by_each_model_and_then_smoothed(
    checkout: Path, tmp_path: Path, eks: str
) -> None:
    words = ("my model:b/2", "my videos", "False", "true", "True", eks, "my eks")
    done = process_videos(checkout, tmp_path, *words, name="process_videos_ensemble.sh")
    assert done.returncode == 0, done.stderr
    commands = [shlex.split(line) for line in done.stdout.splitlines()]
    assert all(words[:2] == ["-m", "lightning_pose.cli.main"] for words in commands)
    parsed = [make_parser().parse_args(words[2:]) for words in commands]
    assert [(args.model, args.inputs) for args in parsed[:2]] == [
        ("my model", ["my videos"]),
        ("b/2", ["my videos"]),
    ]
    assert len(parsed) == (3 if eks == "true" else 2)
    for args in parsed:
        assert (args.no_metrics, args.labeled_video, args.snippet) == (True, True, True)
    for args in parsed[2:]:
        assert [str(path) for path in args.predictions] == ["my model", "b/2"]
        assert (args.videos, str(args.out)) == (["my videos"], "my eks")


@pytest.mark.parametrize("words", ["a:b c true true true true", "a:b c true true true maybe d"])
def test_process_videos_ensemble_refuses_other_words(
    checkout: Path, tmp_path: Path, words: str
) -> None:
    done = process_videos(checkout, tmp_path, *words.split(), name="process_videos_ensemble.sh")
    assert (done.returncode, done.stdout) == (2, "")
    assert "true or false" in done.stderr


def test_a_model_that_fails_does_not_stop_the_others(checkout: Path, tmp_path: Path) -> None:
    words = ("bad:good", "videos", "true", "true", "true", "true", "eks")
    done = process_videos(checkout, tmp_path, *words, name="process_videos_ensemble.sh")
    assert done.returncode == 1
    assert [shlex.split(line)[2] for line in done.stdout.splitlines()] == [
        *("predict", "predict", "smooth"),
    ]


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_two_models_predict_and_smooth_a_folder_of_videos(
    checkout: Path, run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    models = [shutil.copytree(run_dir, tmp_path / f"my model {n}") for n in (1, 2)]
    for model in models:
        shutil.rmtree(model / "video_preds", ignore_errors=True)
    videos = shutil.copytree(toy / "videos", tmp_path / "my videos")
    done = subprocess.run(
        [
            *("bash", str(checkout / "scripts" / "process_videos_ensemble.sh")),
            *(":".join(map(str, models)), str(videos)),
            *("True", "true", "TRUE", "true", str(tmp_path / "my eks")),
        ],
        env=os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    recordings = dict(zip(sorted(videos.glob("*.mp4")), (NEW_FRAMES, VIDEO_FRAMES), strict=True))
    for folder in (*(model / "video_preds" for model in models), tmp_path / "my eks"):
        for video, count in recordings.items():
            assert len(Predictions.read(folder / f"{video.stem}.csv")) == count
            assert count_frames(folder / f"{video.stem}_labeled.mp4") == count
            assert count_frames(folder / f"{video.stem}_snippet.mp4") == count
            assert (folder / f"{video.stem}_temporal_norm.csv").is_file()
            columns = (folder / f"{video.stem}.csv").read_text().splitlines()[2]
            assert ("x_posterior_var" in columns) == (folder.name == "my eks")


def process_videos(
    checkout: Path, tmp_path: Path, *words: str, name: str = "process_videos.sh"
) -> subprocess.CompletedProcess[str]:
    """Run a script with a Python that only prints what it is given, and fails for "bad"."""
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\nfor word in "$@"; do printf "\'%s\' " "$word"; done\necho\n'
        'case "$*" in *predict*bad*) exit 1;; esac\n'
    )
    python.chmod(0o755)
    return subprocess.run(
        ["bash", str(checkout / "scripts" / name), *words],
        env=os.environ | {"PYTHON": str(python)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_create_fiftyone_dataset_asks_for_the_review_that_its_keys_describe(
    checkout: Path, run_dir: Path, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[argparse.Namespace] = []
    monkeypatch.setattr(reviewing, "build", lambda args: asked.append(args) or 0)
    code = run_script(
        checkout,
        "create_fiftyone_dataset.py",
        f'eval.hydra_paths=["{run_dir}"]',
        "eval.fiftyone.dataset_name=mouse",
        "eval.fiftyone.model_display_names=[small]",
        "eval.fiftyone.launch_app_from_script=true",
        "eval.fiftyone.port=5200",
        f"eval.test_videos_directory={toy / 'videos'}",
        monkeypatch=monkeypatch,
    )
    assert code == 0
    (args,) = asked
    words = ["review", "build", str(run_dir), "--name", "mouse", "--names", "small"]
    words += ["--launch", "--port", "5200", "--predictions", str(toy / "videos")]
    words += ["--videos", *(str(video) for video in sorted((toy / "videos").glob("*.mp4")))]
    expected = vars(make_parser().parse_args(words))
    assert vars(args) == {name: expected[name] for name in vars(args)}
