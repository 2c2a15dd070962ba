"""`litpose reproduce`: a run made again comes out identical, or it is said why not."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lightning_pose.cli.versions import reproducing
from lightning_pose.contracts.errors import TrainingError
from lightning_pose.contracts.run_record import RunRecord
from tests.cli.conftest import TINY, UNTRACKED, litpose, tiny_data

SMALL = (*TINY, UNTRACKED, "eval=none", "training.max_epochs=1")
OF_GIT = ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL")


def contents(folder: Path) -> dict[Path, str]:
    """Return the hash of each file."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def git_says(repository: Path, *words: str) -> str:
    """Return what git prints; nothing outside git."""
    command = ["git", "-C", str(repository), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def with_record(run_dir: Path, copy: Path, **changes: object) -> Path:
    """Return a copy of a run whose record says otherwise."""
    shutil.copytree(run_dir, copy)
    record = RunRecord.read(copy / "run.json")
    dataclasses.replace(record, **changes).write(copy / "run.json")
    return copy


@pytest.mark.long
def test_a_run_made_again_is_identical(
    toy: Path, checkout: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trained = litpose("train", "data=toy", tiny_data(toy), *SMALL)
    assert trained.code == 0, trained.err
    run_dir, out = trained.run_dir.resolve(), tmp_path / "again"
    before = contents(run_dir)
    if "?? lightning_pose" in git_says(checkout, "status", "--porcelain"):
        pytest.skip("the package has files that git does not track, so they cannot come back")
    done = litpose("reproduce", run_dir, "--out", out, "--json")
    assert done.code == 0, done.err + capfd.readouterr().err
    found = done.json
    causes = set(found["causes"]) - {"code"}  # files that git does not track make it dirty
    assert (found["verdict"], causes) == ("identical", set())
    assert found["compared_metrics"] > 100
    assert (run_dir / "metrics.json").read_bytes() == (out / "metrics.json").read_bytes()
    old, new = (
        torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
        for folder in (run_dir, out)
    )
    assert all(torch.equal(old[name], new[name]) for name in old)
    assert contents(run_dir) == before
    assert "litpose-reproduce" not in git_says(checkout, "worktree", "list")


def test_what_cannot_be_repeated_is_one_sentence(run_dir: Path, tmp_path: Path) -> None:
    for outcome, words in (
        ("interrupted", "litpose train model.resume="),
        ("pruned", "was ended early by its sweep"),
        ("failed", "there are no results"),
        ("running", "has not ended"),
    ):
        copy = with_record(run_dir, tmp_path / outcome, outcome=outcome)
        done = litpose("reproduce", copy)
        assert (done.code, words in done.sentences) == (1, True), done.err
    assert "is no run directory" in litpose("reproduce", tmp_path).sentences
    other = with_record(run_dir, tmp_path / "other", code={"version": "1.0.0"})
    assert "Install that version" in litpose("reproduce", other).sentences
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    assert litpose("reproduce", run_dir, "--out", tmp_path / "full").code == 2
    taken = litpose("reproduce", run_dir, "--out", tmp_path / "full" / "x")
    assert (taken.code, "is a file, but results need a folder" in taken.sentences) == (1, True)
    unknown = litpose("reproduce", "0" * 32)
    assert (unknown.code, "There is no tracking store" in unknown.sentences) == (1, True)


def test_code_of_a_repetition_that_failed_is_kept_if_wished(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("x = 1\n")
    with pytest.raises(TrainingError), reproducing._kept(True, tmp_path):
        raise TrainingError("it failed")
    assert (tmp_path / "kept_code" / "a.py").read_text() == "x = 1\n"


@pytest.mark.parametrize("tolerance", [("nan", "0.1"), ("-1", "0.1"), ("0.5", "inf")])
def test_a_tolerance_that_is_none_is_refused_before_training(tolerance: tuple[str, str]) -> None:
    done = litpose("reproduce", "gone", "--tolerance", *tolerance)
    assert (done.code, "two numbers of 0 or more" in done.sentences) == (2, True)


def test_a_run_is_known_by_its_id_in_the_store(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store of the shared training lies above its ``outputs`` folder."""
    work = next(folder for folder in run_dir.resolve().parents if (folder / "mlflow.db").exists())
    monkeypatch.chdir(work)
    record = RunRecord.read(run_dir / "run.json")
    from lightning_pose.mlops.tracking import run_dir_of

    for run_id in (record.tracking["run_id"], record.run_id):
        assert run_dir_of(run_id, tmp_path / "none").resolve() == run_dir.resolve()


def test_labels_that_changed_and_lie_in_no_project_are_named(
    run_dir: Path, toy: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(toy, tmp_path / "data")
    labels = data / "CollectedData.csv"
    entries = json.loads((run_dir / "run.json").read_text())["data"]
    entries["CollectedData.csv"]["path"] = str(labels)
    entries["images"]["root"] = str(data)
    labels.write_text(labels.read_text().replace(".5", ".25"))
    copy = with_record(run_dir, tmp_path / "run", data=entries, project={}, code={})
    record = RunRecord.read(copy / "run.json")
    dataclasses.replace(record, code={"version": "3.0.0"}).write(copy / "run.json")
    done = litpose("reproduce", copy)
    assert done.code == 1
    assert f"CollectedData.csv ({labels}" in done.sentences
    assert "no git or DVC project holds it" in done.sentences
    assert f"are in {copy / 'labels.csv'}" in done.sentences


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_dirty_tree_and_edited_labels_come_back(
    toy: Path, checkout: Path, tmp_path: Path
) -> None:
    """Code with a patch, labels from DVC, videos untouched: all of it through the program."""
    code, data = tmp_path / "code", shutil.copytree(toy, tmp_path / "lab" / "data")
    environment = {**os.environ, "PYTHONPATH": str(code), "DVC_NO_ANALYTICS": "1"}
    environment |= dict.fromkeys(OF_GIT, "a@b")

    def run(*words: object, folder: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *map(str, words)]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    def git(*words: str, folder: Path) -> None:
        subprocess.run(["git", *words], cwd=folder, env=environment, check=True)

    git("clone", "-q", "--shared", str(checkout), str(code), folder=tmp_path)
    lab, labels = data.parent, data / "CollectedData.csv"
    git("init", "-q", folder=lab)
    run("dvc", "init", "-q", folder=lab)
    run("dvc", "add", "-q", "data/CollectedData.csv", "data/labeled-data", folder=lab)
    git("add", ".dvc", "data/.gitignore", folder=lab)
    git("add", "data/CollectedData.csv.dvc", "data/labeled-data.dvc", folder=lab)
    git("commit", "-qm", "first", folder=lab)

    loss = code / "lightning_pose" / "losses" / "regression.py"
    clean = loss.read_text()
    loss.write_text(f"{clean}\nCHANGED = True\n")
    words = ("data=toy", tiny_data(data), *SMALL, f"hydra.run.dir={tmp_path / 'run'}")
    trained = run("lightning_pose.cli.main", "train", *words)
    assert trained.returncode == 0, trained.stderr
    assert "+CHANGED = True" in (tmp_path / "run" / "code.patch").read_text()
    loss.write_text(clean)
    lines = labels.read_text().splitlines()
    labels.write_text("\n".join(lines[:-2]) + "\n")
    run("dvc", "add", "-q", "data/CollectedData.csv", folder=lab)
    git("commit", "-qam", "second", folder=lab)

    done = run("lightning_pose.cli.main", "reproduce", "run", "--out", "again", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"] == "identical"
    assert "CollectedData.csv changed since the run" in found["notes"][0]
    again = RunRecord.read(tmp_path / "again" / "run.json")
    first = RunRecord.read(tmp_path / "run" / "run.json")
    assert again.code["diff_sha256"] == first.code["diff_sha256"]
    assert again.data["CollectedData.csv"]["sha256"] == first.data["CollectedData.csv"]["sha256"]
    assert len(labels.read_text().splitlines()) == len(lines) - 2
    assert [git_says(one, "worktree", "list").count("\n") for one in (code, lab)] == [1, 1]
