"""`litpose review`: what it refuses at once, and the whole of it on a trained model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_pose.cli.look.reading_runs import read_runs
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.mlops.review.database import URI, find_mongod
from tests.cli.conftest import NEW_FRAMES, NUM_LABELED, VIDEO_FRAMES, litpose


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--names", "a", "b"], "--names should name each of the 1 models differently"),
        (["--frames", "-1"], "--frames and --clips should be 0 or more"),
        (["--name", "my review"], "'my review' cannot be the name of a review"),
        (["--videos", "other.mp4"], "other.mp4 was not predicted with"),
        (["--predictions", "nowhere"], "nowhere: there are no such predictions"),
        (["--edge", "nose_side", "wing"], "--edge: no run has a keypoint wing"),
        (["--data-dir", "."], "20 of 20 pictures not found where the runs had them"),
    ],
)
def test_what_cannot_be_built_is_said_in_a_sentence(
    run_dir: Path, words: list[str], told: str
) -> None:
    done = litpose("review", "build", run_dir, *words)
    assert done.code in (1, 2)
    assert told in done.sentences
    assert not Path("review").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    done = litpose("review", "build", "nothing")
    assert done.code == 2
    assert "MODEL = 'nothing': there is no such run directory" in done.sentences


def test_a_worklist_is_a_csv() -> None:
    assert "names the csv" in litpose("review", "export", "mouse", "--out", "x.xlsx").sentences


def test_further_predictions_go_to_the_model_that_made_them(run_dir: Path, tmp_path: Path) -> None:
    copy = tmp_path / "predictions" / "small"
    shutil.copytree(run_dir / "video_preds", copy)
    (run,) = read_runs([run_dir], [tmp_path / "predictions"])
    assert all(video.path.parent == copy for video in run.videos)
    for note in copy.glob("*.litpose.json"):
        note.write_text(note.read_text().replace(run.record.run_id, "0" * 32))
    with pytest.raises(DataError, match="holds no predictions of these runs"):
        read_runs([run_dir], [tmp_path / "predictions"])
    with pytest.raises(DataError, match="there are no such predictions"):
        read_runs([run_dir], [tmp_path / "elsewhere"])


@pytest.mark.long
def test_a_trained_model_is_reviewed_and_told_of_again(run_dir: Path, tmp_path: Path) -> None:
    found = find_mongod()
    if found is None or found.problem:
        pytest.skip("there is no mongod (litpose doctor)")
    program = [sys.executable, "-m", "lightning_pose.cli.main"]
    env = {name: value for name, value in os.environ.items() if name != URI}

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [*program, *map(str, words)]
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    done = run("review", "build", run_dir, "--name", "toy", "--frames", 3, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    videos = len(list((run_dir / "video_preds").glob("*.litpose.json")))
    assert told["pictures"] == NUM_LABELED + 3 + 3 * videos
    assert Predictions.read(run_dir / "predictions.csv").images
    assert min(VIDEO_FRAMES, NEW_FRAMES) > 3
    assert len(list((tmp_path / "review/toy").rglob("*.png"))) == 3 * videos
    done = run("review", "export", "toy", "--tag", "to_label", "--out", "list.csv")
    assert done.returncode == 1
    assert "No picture of toy is tagged to_label" in " ".join(done.stderr.split())
    done = run("review", "export", "other", "--out", "list.csv")
    assert "There is no review 'other'" in " ".join(done.stderr.split())
    assert "there are: toy" in " ".join(done.stderr.split())
