"""Code and data of a run are brought back beside those of today, and taken away again."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops import provenance
from lightning_pose.mlops.provenance import code_difference, code_state
from lightning_pose.mlops.versions import code_checkout
from lightning_pose.mlops.versions.code_checkout import checked_out_code
from lightning_pose.mlops.versions.data_checkout import checked_out_data
from lightning_pose.mlops.versions.git_files import commit_of
from lightning_pose.mlops.versions.label_revisions import file_of_version


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def dvc(folder: Path, *commands: str) -> None:
    """Run commands of DVC in one process, whose start is what takes long."""
    program = "import sys; from dvc.cli import main; sys.exit(any(main(c.split()) for c in {}))"
    command = [sys.executable, "-c", program.format(commands)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def worktrees(repository: Path) -> int:
    return git(repository, "worktree", "list").count("\n")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a package in a repository, which passes for ours."""
    package = tmp_path / "repository" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("value = 1\n")
    git(package.parent, "init", "-q")
    git(package, "add", ".")
    git(package, "commit", "-qm", "first")
    for module in (provenance, code_checkout):
        monkeypatch.setattr(module.lightning_pose, "__file__", str(package / "__init__.py"))
    return package


def test_code_of_then_is_beside_the_code_of_today(package: Path, tmp_path: Path) -> None:
    record = RunRecord(run_id="0", code=code_state())
    (package / "__init__.py").write_text("value = 2\n")
    git(package, "commit", "-qam", "second")
    with checked_out_code(record, tmp_path / "none", tmp_path / "code") as code:
        assert code.search_path is not None
        assert (code.search_path / "package" / "__init__.py").read_text() == "value = 1\n"
        assert code.notes == ()
    assert (package / "__init__.py").read_text() == "value = 2\n"
    assert not (tmp_path / "code").exists()
    assert worktrees(package) == 1


@pytest.mark.parametrize("staged", [False, True])
def test_uncommitted_changes_are_applied(package: Path, tmp_path: Path, staged: bool) -> None:
    (package / "__init__.py").write_text("value = 3\n")
    (package / "new.py").write_text("x = 1\n") if staged else None
    git(package, "add", ".") if staged else None
    record, patch = RunRecord(run_id="0", code=code_state()), tmp_path / "code.patch"
    patch.write_text(code_difference())
    git(package, "reset", "-q", "--hard")
    with checked_out_code(record, patch, tmp_path / "code") as code:
        assert code.search_path is not None
        assert (code.search_path / "package" / "__init__.py").read_text() == "value = 3\n"
        assert (code.search_path / "package" / "new.py").is_file() == staged
        assert code.notes == ()


def test_untracked_code_is_said_to_be_lost(package: Path, tmp_path: Path) -> None:
    (package / "mine.py").write_text("x = 1\n")
    record = RunRecord(run_id="0", code=code_state())
    with checked_out_code(record, tmp_path / "none", tmp_path / "code") as code:
        assert "git did not track" in code.notes[0]


def test_worktrees_go_when_something_fails(package: Path, tmp_path: Path) -> None:
    record = RunRecord(run_id="0", code=code_state())
    with (
        pytest.raises(KeyboardInterrupt),
        checked_out_code(record, tmp_path / "none", tmp_path / "code"),
    ):
        raise KeyboardInterrupt
    assert worktrees(package) == 1


def test_code_that_cannot_be_had_is_one_sentence(package: Path, tmp_path: Path) -> None:
    for code, words in (
        ({"version": "2.0.0"}, "Install that version"),
        ({"commit": "ab" * 20}, "fetch --all"),
    ):
        record = RunRecord(run_id="0", code=code)
        with (
            pytest.raises(DataError, match=words),
            checked_out_code(record, tmp_path / "none", tmp_path / "code"),
        ):
            pass
    record = RunRecord(run_id="0", code=code_state())
    (package / "__init__.py").write_text("value = 4\n")
    broken = tmp_path / "code.patch"
    broken.write_text("no patch")
    dirty = RunRecord(run_id="0", code=code_state())
    with (
        pytest.raises(DataError, match="cannot be applied"),
        checked_out_code(dirty, broken, tmp_path / "code"),
    ):
        pass
    git(package, "rm", "-q", "--cached", "__init__.py")
    with (
        pytest.raises(DataError, match="installed without its git repository"),
        checked_out_code(record, tmp_path / "none", tmp_path / "code"),
    ):
        pass


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of two versions: labels in DVC, notes in git, a remote that has it all."""
    project = tmp_path_factory.mktemp("lab") / "project"
    (project / "data" / "images").mkdir(parents=True)
    (project / "data" / "images" / "1.png").write_text("pixels")
    (project / "notes.csv").write_text("first")
    (project / "data" / "labels.csv").write_text("first")
    git(project, "init", "-q")
    dvc(
        project,
        "init -q",
        "config core.analytics false",
        "remote add -q -d store ../remote",
        "add -q data/labels.csv data/images",
        "push -q",
    )
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    (project / "notes.csv").write_text("second")
    (project / "data" / "labels.csv").write_text("second")
    dvc(project, "add -q data/labels.csv")
    git(project, "commit", "-qam", "second")
    return project


def test_files_come_back_from_git_and_dvc(project: Path, tmp_path: Path) -> None:
    labels, images = project / "data" / "labels.csv", project / "data" / "images"
    with checked_out_data(project, "HEAD~1", tmp_path / "copy") as copy:
        copy.restore(labels)
        copy.link(images)
        place = copy.place(labels)
        assert place is not None
        assert place.read_text() == "first"
        assert (copy.copy / "notes.csv").read_text() == "first"
        assert (copy.copy / "data" / "images").resolve() == images.resolve()
        with pytest.raises(DataError, match="neither git nor DVC holds it"):
            copy.restore(project / "data" / "other.csv")
        with pytest.raises(DataError, match="does not lie in the project"):
            copy.restore(tmp_path / "elsewhere.csv")
    assert labels.read_text() == "second"
    assert (images / "1.png").read_text() == "pixels"
    assert worktrees(project) == 1
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.long
def test_a_version_that_was_never_committed_comes_back_by_its_hash(
    project: Path, tmp_path: Path
) -> None:
    labels = project / "data" / "labels.csv"
    labels.write_text("third")
    dvc(project, "add -q data/labels.csv")
    labels.write_text("second")
    dvc(project, "add -q data/labels.csv")
    md5 = hashlib.md5(b"third", usedforsecurity=False).hexdigest()
    with checked_out_data(project, "HEAD", tmp_path / "copy") as copy:
        copy.restore(labels, md5=md5)
        assert (copy.copy / "data" / "labels.csv").read_text() == "third"


@pytest.mark.long
def test_what_a_stage_made_comes_back_by_its_hash_or_its_lock(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    made = project / "labels.csv"
    stage = "stages:\n  prepare:\n    cmd: cp source.csv labels.csv\n    deps: [source.csv]\n"
    (project / "dvc.yaml").write_text(f"{stage}    outs: [labels.csv]\n")
    git(project, "init", "-q")
    for text in ("first", "second"):
        (project / "source.csv").write_text(text)
        dvc(project, "init -q", "repro -q") if text == "first" else dvc(project, "repro -q")
        if text == "first":
            git(project, "add", ".")
            git(project, "commit", "-qm", "first")
    with checked_out_data(project, "HEAD", tmp_path / "copy") as copy:
        place = copy.place(made)
        assert place is not None
        copy.restore(made)
        assert place.read_text() == "first"
        copy.restore(made, md5=hashlib.md5(b"second", usedforsecurity=False).hexdigest())
        assert place.read_text() == "second"
        copy.restore(made)
        assert place.read_text() == "first"


@pytest.mark.long
def test_what_the_cache_lost_is_pulled_or_missed(project: Path, tmp_path: Path) -> None:
    labels = project / "data" / "labels.csv"
    for text in (b"first", b"second"):  # only the first was pushed
        md5 = hashlib.md5(text, usedforsecurity=False).hexdigest()
        (project / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]).unlink()
    with checked_out_data(project, "HEAD~1", tmp_path / "old") as copy:
        copy.restore(labels)
        assert (copy.copy / "data" / "labels.csv").read_text() == "first"
    with (
        checked_out_data(project, "HEAD", tmp_path / "new") as copy,
        pytest.raises(DataError, match=r"neither the cache of .* nor its remote holds it"),
    ):
        copy.restore(labels)
    dvc(project, "add -q data/labels.csv")  # for the tests that follow


def test_a_revision_of_a_file_comes_from_git_or_dvc(project: Path, tmp_path: Path) -> None:
    labels, notes = project / "data" / "labels.csv", project / "notes.csv"
    assert file_of_version(str(labels), tmp_path) == labels
    for file in (labels, notes):
        assert file_of_version(f"{file}@HEAD~1", tmp_path).read_text() == "first"
    with pytest.raises(DataError, match="has no revision 'HEAD~9'"):
        file_of_version(f"{labels}@HEAD~9", tmp_path)
    with pytest.raises(DataError, match="DVC does not bring it"):
        file_of_version(f"{project / 'other.csv'}@HEAD", tmp_path)
    with pytest.raises(DataError, match="in no git repository"):
        file_of_version(f"{tmp_path / 'labels.csv'}@HEAD", tmp_path)
    assert commit_of(project, "HEAD~9") is None
