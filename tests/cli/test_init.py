"""A project from one's own labels: nothing is lost; it can be trained, shared and rebuilt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lightning_pose.cli.main import main
from lightning_pose.contracts.errors import DataError, WriteError
from lightning_pose.mlops.versions import new_project
from lightning_pose.mlops.versions.project_files import ProjectData, pipeline_of
from tests.cli.conftest import Done, litpose

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "test"), ("EMAIL", "test@example.org"))
}
SMALL = """
data:
  data_dir: data
  csv_file: CollectedData.csv
  image_resize_dims: {height: 64, width: 64}
training: {train_prob: 0.6, val_prob: 0.2, max_epochs: 3, train_batch_size: 4, imgaug: default,
  limit_train_batches: 2, accelerator: cpu}
model: {backbone: resnet18, backbone_pretrained: false}
dali: {base: {train: {sequence_length: 4}}}
tracking: {enabled: false}
"""


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Keep git and DVC from being begun; return whether git was wanted, call by call."""
    calls: list[bool] = []

    def begin(folder: Path, *, with_git: bool) -> str:
        calls.append(with_git)
        return ""

    monkeypatch.setattr("lightning_pose.cli.versions.initialising.begin_versions", begin)
    return calls


@pytest.fixture
def own(toy: Path, tmp_path: Path) -> Path:
    """Return recordings that may be moved."""
    return Path(shutil.copytree(toy, tmp_path / "own"))


def init(own: Path, *more: str) -> Done:
    """Make the project from recordings."""
    labels, videos = own / "CollectedData.csv", own / "videos"
    return litpose("init", "project", "--labels", labels, "--videos", videos, *more)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder, by name."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_copying_leaves_the_recordings_as_they_were(own: Path, begun: list[bool]) -> None:
    before = contents(own)
    assert init(own).code == 0
    assert contents(own) == before
    assert contents(Path("project/data")) == before
    assert begun == [True]


def test_moving_loses_no_file(own: Path, begun: list[bool]) -> None:
    before = contents(own)
    assert init(own, "--move", "--no-git").code == 0
    assert contents(Path("project/data")) == before
    assert not contents(own)
    assert begun == [False]


def test_linking_copies_labels_and_links_the_rest(own: Path, begun: list[bool]) -> None:
    assert init(own, "--link").code == 0
    data = Path("project/data")
    assert not (data / "CollectedData.csv").is_symlink()
    videos = sorted((data / "videos").iterdir())
    assert videos
    assert all(path.is_symlink() and path.is_file() for path in videos)


def test_a_folder_that_is_not_empty_is_refused(own: Path, begun: list[bool]) -> None:
    Path("project").mkdir()
    Path("project/mine.txt").write_text("mine")
    done = init(own, "--move")
    assert done.code == 1
    assert "project is not empty" in done.sentences
    assert contents(Path("project")) == {"mine.txt": b"mine"}
    assert (own / "CollectedData.csv").is_file()


def test_labels_that_cannot_be_used_make_nothing(own: Path, begun: list[bool]) -> None:
    image = next((own / "labeled-data").rglob("*.png"))
    for path in (own / "labeled-data").rglob("*.png"):
        path.unlink()
    done = init(own, "--move")
    assert done.code == 1
    assert image.suffix in done.sentences
    assert not Path("project").exists()
    assert (own / "CollectedData.csv").is_file()


def test_a_project_within_its_own_images_is_refused(own: Path, begun: list[bool]) -> None:
    inside, before = own / "labeled-data" / "project", contents(own)
    done = litpose("init", inside, "--labels", own / "CollectedData.csv")
    assert done.code == 2
    assert "which it is to be made from" in done.sentences
    assert contents(own) == before


def test_a_link_is_not_moved_to_where_it_leads_nowhere(own: Path, begun: list[bool]) -> None:
    (own / "real").mkdir()
    (own / "labeled-data").rename(own / "real" / "labeled-data")
    (own / "labeled-data").symlink_to("real/labeled-data")
    before = contents(own)
    done = init(own, "--move")
    assert done.code == 2
    assert "labeled-data is a link" in done.sentences
    assert contents(own) == before
    assert not Path("project").exists()


def test_images_may_lie_elsewhere(own: Path, begun: list[bool]) -> None:
    (own / "labeled-data").rename(own.parent / "labeled-data")
    done = init(own, "--images", str(own.parent / "labeled-data"))
    assert done.code == 0, done.err
    assert any(Path("project/data/labeled-data").rglob("*.png"))


def test_training_takes_the_configuration_of_the_project(
    own: Path, begun: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    init(own)
    monkeypatch.chdir("project")
    shown = litpose("train", "--cfg", "job")
    assert shown.code == 0, shown.err
    config = yaml.safe_load(shown.out)
    assert config["data"]["data_dir"] == "data"
    assert config["training"]["train_prob"] == 0.8
    other = litpose("train", "--cfg", "job", "data=toy")
    assert yaml.safe_load(other.out)["data"]["generator"] == "toy"


def test_git_that_is_missing_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_project.shutil, "which", lambda name: None)
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(new_project, "dvc", lambda folder, *words: ran.append(words))
    monkeypatch.setattr(new_project, "git", lambda folder, *words: pytest.fail("there is no git"))
    remark = new_project.begin_versions(tmp_path, with_git=True)
    assert remark.startswith("git is not installed")
    assert "--no-scm" in ran[0]


def test_versions_that_cannot_be_begun_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path, *words: str) -> str:
        raise DataError(f"dvc {words[0]}: the disk is full")

    monkeypatch.setattr(new_project, "dvc", refuse)
    with pytest.raises(WriteError, match=r"begun in .* \(dvc init: the disk is full\)\. The data"):
        new_project.begin_versions(tmp_path, with_git=False)


def test_the_pipeline_of_a_project_names_nothing_of_the_checkout(checkout: Path) -> None:
    data = ProjectData(
        labels=("top.csv", "side.csv"),
        new_labels=("top_new.csv",),
        images=("frames", "more"),
        views=("top", "side"),
        singleview_pca=False,
    )
    text = pipeline_of(data, (checkout / "dvc.yaml").read_text(encoding="utf-8"))
    stages = yaml.safe_load(text)["stages"]
    assert "toy" not in stages
    deps = stages["train"]["do"]["deps"]
    assert not [dep for dep in deps if dep.startswith(("lightning_pose", "conf"))]
    for name in ("top.csv", "side.csv", "top_new.csv", "frames", "more"):
        assert f"${{data_dir}}/{name}" in deps
    assert "--csv ${data_dir}/top.csv ${data_dir}/side.csv " in stages["evaluate"]["do"]["cmd"]
    assert stages["train"]["do"]["params"] == [{"litpose.yaml": ["data", "training"]}]


def run(folder: Path, *words: str) -> str:
    """Run a program in a folder; return what it printed."""
    program = [sys.executable, "-m", "dvc"] if words[0] == "dvc" else [words[0]]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*program, *words[1:]],
        cwd=folder,
        env={**os.environ, **IDENTITY, "PATH": path},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_the_whole_circle_of_a_project(own: Path, checkout: Path, tmp_path: Path) -> None:
    os.environ["PYTHONPATH"] = str(checkout)
    assert init(own).code == 0
    project, store = Path("project").resolve(), tmp_path / "store"
    (project / "litpose.yaml").write_text(SMALL)
    kept = ("CollectedData.csv", "CollectedData_new.csv", "labeled-data", "videos")
    run(project, "dvc", "add", *(f"data/{name}" for name in kept))
    run(project, "git", "add", ".")
    assert ".dvc/cache" not in run(project, "git", "ls-files")
    run(project, "git", "commit", "-qm", "begin")
    params = project / "params.yaml"
    assert "[temporal,pca_singleview]" not in params.read_text()  # too few poses are whole
    built = run(project, "dvc", "repro")
    assert "train@semi_supervised" in built
    assert "up to date" in run(project, "dvc", "repro")
    assert json.loads((project / "results/supervised.json").read_text())
    run(project, "git", "add", ".")
    run(project, "git", "commit", "-qm", "built")
    run(project, "dvc", "remote", "add", "-d", "store", str(store))
    run(project, "git", "commit", "-qam", "remote")
    run(project, "dvc", "push")
    shutil.rmtree(project / ".dvc" / "cache")
    shutil.rmtree(project / "data")
    run(tmp_path, "git", "clone", "-q", str(project), "elsewhere")
    elsewhere = tmp_path / "elsewhere"
    run(elsewhere, "dvc", "pull")
    assert contents(elsewhere / "data" / "videos") == contents(own / "videos")
    assert "up to date" in run(elsewhere, "dvc", "repro")
    shutil.rmtree(project)
    video = elsewhere / "data" / "videos" / "new1.mp4"
    out = tmp_path / "predicted"
    code = main(["predict", str(elsewhere / "runs/supervised"), str(video), "--out", str(out)])
    assert code == 0
    assert (out / "new1.csv").is_file()
    labels = elsewhere / "data" / "CollectedData.csv"
    labels.write_text(labels.read_text().replace("toy", "me"))
    assert "CollectedData.csv" in run(elsewhere, "dvc", "status")
