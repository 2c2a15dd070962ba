"""dvc.yaml: a change runs exactly the stages it concerns, and what comes after them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.mlops.pipeline import Pipeline, make_pipeline

TRAIN = {"train@supervised", "train@semi_supervised"}
PREDICT = {"predict@supervised", "predict@semi_supervised"}
EVALUATE = {"evaluate@supervised", "evaluate@semi_supervised"}
AFTER_TRAINING = PREDICT | EVALUATE | {"compare", "report"}
ALL = {"toy", "prepare"} | TRAIN | AFTER_TRAINING


@pytest.fixture(scope="module")
def stages(checkout: Path) -> dict[str, Any]:
    """Return the stages of dvc.yaml, those of a loop as they are written once."""
    read = yaml.safe_load((checkout / "dvc.yaml").read_text(encoding="utf-8"))
    return {name: stage.get("do", stage) for name, stage in read["stages"].items()}


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Return a pipeline that was run once."""
    pipeline = make_pipeline(tmp_path_factory.mktemp("pipeline"), checkout)
    assert pipeline.repro() == ALL
    return pipeline


def test_stages_are_thin_commands_without_absolute_paths(stages: dict[str, Any]) -> None:
    for stage in stages.values():
        assert stage["cmd"].startswith("${litpose} ")
        assert "&&" not in stage["cmd"]
        assert not re.search(r"(^|[\s=])/", stage["cmd"])


def test_package_and_conf_files_that_stages_name_are_there(
    stages: dict[str, Any], checkout: Path
) -> None:
    named = {dep for stage in stages.values() for dep in stage["deps"] if "$" not in dep}
    ours = {dep for dep in named if dep.startswith(("lightning_pose", "conf"))}
    assert ours
    assert not [dep for dep in ours if not (checkout / dep).exists()]
    assert not [dep for dep in named if dep.startswith(("tests", "docs", "README"))]


def test_training_depends_on_every_room_that_computes(
    stages: dict[str, Any], checkout: Path
) -> None:
    rooms = {path.parent.name for path in (checkout / "lightning_pose").glob("*/__init__.py")}
    named = {Path(dep).name for dep in stages["train"]["deps"]}
    assert rooms - named == {"cli", "mlops", "inference"}


def test_labels_images_and_videos_are_dependencies_of_their_own(stages: dict[str, Any]) -> None:
    for stage in stages.values():
        assert "${data_dir}" not in stage["deps"]


@pytest.mark.long
def test_nothing_runs_again_after_changes_that_concern_no_stage(built: Pipeline) -> None:
    for name in ("README.md", "docs/index.md"):
        (built.root / name).write_text("other words")
    (built.root / "tests").mkdir()
    (built.root / "tests" / "test_new.py").touch()
    cached = built.root / "lightning_pose" / "models" / "__pycache__"
    cached.mkdir()
    (cached / "base.pyc").touch()
    (built.root / "data/toy/videos/v.mp4").touch()
    assert built.repro() == set()


@pytest.mark.long
def test_a_changed_label_is_kept_and_runs_all_that_follows(built: Pipeline) -> None:
    labels = built.root / "data/toy/CollectedData.csv"
    labels.write_text("edited")
    assert built.repro() == ALL
    assert labels.read_text() == "edited"


@pytest.mark.long
def test_a_changed_learning_rate_runs_training_and_what_follows(built: Pipeline) -> None:
    file = built.root / "conf/training/default.yaml"
    file.write_text(file.read_text() + "optimizer_params: {learning_rate: 5.0e-4}\n")
    assert built.repro() == TRAIN | AFTER_TRAINING


@pytest.mark.long
def test_a_changed_setting_of_the_study_concerns_training(built: Pipeline) -> None:
    file = built.root / "conf/pipeline.yaml"
    before = file.read_text()
    file.write_text(before.replace("max_epochs: 30", "max_epochs: 3"))
    changed = json.loads(built.dvc("status", "--json").stdout)
    file.write_text(before)
    assert set(changed) == TRAIN


@pytest.mark.long
def test_a_changed_room_runs_the_stages_that_name_it(built: Pipeline) -> None:
    (built.root / "lightning_pose/inference/model.py").write_text("other")
    assert built.repro() == PREDICT | EVALUATE | {"compare", "report"}


@pytest.mark.long
def test_one_byte_of_a_video_runs_what_learns_from_it_or_predicts_it(built: Pipeline) -> None:
    video = built.root / "data/toy/videos/v.mp4"
    video.write_text("X" + video.read_text()[1:])
    semi_supervised = {name for name in ALL if name.endswith("@semi_supervised")}
    changed = {"toy", "predict@supervised", "compare", "report"} | semi_supervised
    assert built.repro() == changed


@pytest.mark.long
def test_a_killed_repro_is_repeated_with_nothing_left_of_the_first(built: Pipeline) -> None:
    (built.root / "conf/training/default.yaml").write_text("max_epochs: 2\n")
    (built.root / "pause").write_text("60")
    killed = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=built.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    half = built.root / "runs/supervised/half"
    before = half.read_text()
    until = time.monotonic() + 60
    while time.monotonic() < until and not (half.is_file() and half.read_text() != before):
        time.sleep(0.1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    (built.root / "pause").unlink()
    assert built.repro() == TRAIN | AFTER_TRAINING
    assert "up to date" in built.dvc("status").stdout


@pytest.mark.long
def test_numbers_of_a_version_are_files_for_git(built: Pipeline) -> None:
    for name in ("results/supervised.json", "results/data.json", "dvc.lock"):
        words = ["git", "-C", str(built.root), "check-ignore", "--quiet", name]
        assert subprocess.run(words, check=False).returncode == 1, name


@pytest.mark.long
def test_pushing_without_a_remote_says_what_is_missing(built: Pipeline) -> None:
    done = built.dvc("push")
    assert done.returncode
    assert "no remote" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_one_parameter_takes_ones_own_data(built: Pipeline, tmp_path: Path) -> None:
    own = tmp_path / "mine"
    for name in ("CollectedData.csv", "labeled-data/s/i.png", "videos/v.mp4"):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_text("mine")
    params = built.root / "params.yaml"
    params.write_text(params.read_text().replace("data_dir: data/toy", f"data_dir: {own}"))
    done = built.dvc("repro", "--dry", "report")
    assert done.returncode == 0, done.stderr
    assert "'toy'" not in done.stdout
    assert re.search(f"train .*data_dir={own}", done.stdout)
