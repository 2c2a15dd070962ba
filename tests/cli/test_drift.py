"""Drift through the program: videos are predicted once, set against the run, and told of."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from lightning_pose.video.decode import Decoder
from lightning_pose.video.writer import VideoWriter
from tests.cli.conftest import Done, litpose

REAL = (
    "model.backbone=resnet18",
    "model.backbone_pretrained=false",
    "data.image_resize_dims.height=128",
    "data.image_resize_dims.width=160",
    "data.columns_for_singleview_pca=[0,1,2,3,4,5,6,7,8,9,10,11,12,13]",
    "training.max_epochs=30",
    "training.unfreezing_epoch=2",
    "training.train_prob=0.8",
    "training.val_prob=0.1",
    "training.accelerator=cpu",
    "tracking.enabled=false",
)

DRAW = """
import sys
from pathlib import Path
from lightning_pose.data.toy import make_toy_video
for number in range(70, 76):
    make_toy_video(Path(sys.argv[1]) / f"usual{number}.mp4", session=number, num_frames=90)
"""


@pytest.fixture(scope="module")
def run(trained: Done, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the shared run, which may be written into."""
    return Path(shutil.copytree(trained.run_dir, tmp_path_factory.mktemp("runs") / "run"))


def test_a_video_predicted_before_is_judged_without_predicting_it(run: Path, toy: Path) -> None:
    video = toy / "videos" / "walk3.mp4"
    table = run / "video_preds" / "walk3.csv"
    written = table.stat().st_mtime_ns
    done = litpose("drift", run, video, "--json")
    assert done.code == 0, done.err
    (found,) = done.json
    assert found["video"] == "walk3.mp4"
    assert "confidence" in found["metrics"]
    assert found["warned"] == any(one["warns"] for one in found["metrics"].values())
    assert table.stat().st_mtime_ns == written
    assert "training set count as usual too" in done.sentences  # it has four others


def test_a_table_and_a_sentence_for_each_video(run: Path, toy: Path, tmp_path: Path) -> None:
    videos = [toy / "videos" / f"{name}.mp4" for name in ("walk3", "new1")]
    done = litpose("drift", run, *videos, "--out", tmp_path)
    assert done.code == 0, done.err
    for name in ("walk3", "new1"):
        assert sum(line.startswith(f"{name}.mp4: ") for line in done.out.splitlines()) == 1
    assert "confidence" in done.out


def test_a_checkpoint_alone_has_nothing_to_be_set_against(
    run: Path, toy: Path, tmp_path: Path
) -> None:
    alone = shutil.copy(run / "checkpoints" / "best.ckpt", tmp_path / "alone.ckpt")
    done = litpose("drift", alone, toy / "videos" / "walk3.mp4")
    assert done.code == 2
    assert "without its run directory" in done.sentences


def test_a_folder_without_videos_is_said(run: Path, tmp_path: Path) -> None:
    done = litpose("drift", run, tmp_path)
    assert done.code == 1
    assert str(tmp_path) in done.sentences


def spoilt(source: Path, out: Path, shift: int, blur: float, light: float) -> Path:
    """Write a video that is shifted (px), blurred (px) and darkened; return it."""
    decoder = Decoder(source)
    info = decoder.info
    with VideoWriter(out, fps=info.fps, width=info.width, height=info.height) as writer:
        for picture in decoder:
            pixels = np.roll(picture.pixels, (shift, shift), (0, 1))
            pixels = cv2.GaussianBlur(pixels, (0, 0), blur) if blur else pixels
            writer.write(np.ascontiguousarray((pixels * light).astype(np.uint8)))
    return out


def run_python(*words: object) -> str:
    """Run Python in a process of its own, where shapes are not checked; return what it printed."""
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_spoilt_and_new_sessions_are_warned_of_and_usual_ones_not(tmp_path: Path) -> None:
    program = ("-m", "lightning_pose.cli.main")
    trained = run_python(
        *program, "train", "data=toy", *REAL, "eval.predict_vids_after_training=false"
    )
    run = Path(trained.splitlines()[-1].removeprefix("run: "))
    usual = [tmp_path / f"usual{number}.mp4" for number in range(70, 76)]
    run_python("-c", DRAW, tmp_path)
    bad = [
        spoilt(usual[0], tmp_path / "shifted.mp4", shift=30, blur=0.0, light=1.0),
        spoilt(usual[1], tmp_path / "blurred.mp4", shift=0, blur=4.0, light=1.0),
        spoilt(usual[2], tmp_path / "dark.mp4", shift=0, blur=0.0, light=0.3),
        next(Path.home().rglob("new1.mp4")),
    ]
    out = ("--out", tmp_path / "out", "--json")
    found = json.loads(run_python(*program, "drift", run, *usual, *bad, *out))
    warned = {one["video"]: one["warned"] for one in found}
    assert all(warned[path.name] for path in bad), warned
    assert sum(warned[path.name] for path in usual) <= 1, warned
