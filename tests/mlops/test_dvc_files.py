"""What DVC has for a file is found, and never claimed of a file that is another by now."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_pose.contracts import file_hashes
from lightning_pose.mlops.provenance import git
from lightning_pose.mlops.versions.dvc_files import DvcFiles, with_dvc
from lightning_pose.mlops.versions.project import project_state


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def noted(path: Path, digest: str) -> None:
    """Write the .dvc file of a file or folder, as DVC does."""
    text = f"outs:\n- md5: {digest}\n  size: 1\n  hash: md5\n  path: {path.name}\n"
    path.with_name(f"{path.name}.dvc").write_text(text)


def tracked_folder(folder: Path, cache: Path) -> str:
    """Track a folder as it is; return its MD5."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = [
        {"md5": md5(path.read_bytes()), "relpath": path.relative_to(folder).as_posix()}
        for path in files
    ]
    text = json.dumps(listed, sort_keys=True).encode()
    digest = f"{md5(text)}.dir"
    written(cache / "files" / "md5" / digest[:2] / digest[2:], text)
    noted(folder, digest)
    return digest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    return root


def entry(path: Path) -> dict[str, object]:
    return DvcFiles().entries([path]).get(path, {})


def test_a_file_with_a_note_beside_it(project: Path) -> None:
    labels = written(project / "CollectedData.csv", b"x")
    assert entry(labels) == {}
    noted(labels, md5(b"x"))
    assert entry(labels) == {"dvc_md5": md5(b"x")}


def test_a_note_counts_outside_of_a_project_too(tmp_path: Path) -> None:
    labels = written(tmp_path / "CollectedData.csv", b"x")
    noted(labels, md5(b"x"))
    assert entry(labels) == {"dvc_md5": md5(b"x")}


def test_a_file_that_changed_since_is_said_to_have(project: Path) -> None:
    video = written(project / "videos" / "a.mp4", b"aaaa")
    noted(video, md5(b"aaaa"))
    video.write_bytes(b"aaab")
    assert entry(video) == {"dvc_md5": md5(b"aaaa"), "dvc_changed": True}


def test_touching_a_file_changes_nothing(project: Path) -> None:
    video = written(project / "a.mp4", b"aaaa")
    noted(video, md5(b"aaaa"))
    os.utime(video, (1, 1))
    assert entry(video) == {"dvc_md5": md5(b"aaaa")}


def test_a_file_of_a_tracked_folder_far_above(project: Path) -> None:
    video = written(project / "data" / "videos" / "a.mp4", b"a")
    whole = tracked_folder(project / "data", project / ".dvc" / "cache")
    assert entry(video) == {"dvc_md5": md5(b"a")}
    assert entry(project / "data") == {"dvc_md5": whole}
    assert entry(written(project / "data" / "new.mp4", b"n")) == {}
    assert entry(project / "data") == {"dvc_md5": whole, "dvc_changed": True}


def test_a_cache_elsewhere_is_found(project: Path, tmp_path: Path) -> None:
    lines = ["[core]", "    analytics = false", "['remote \"x\"']", "    url = /x", "[cache]"]
    (project / ".dvc" / "config").write_text("\n".join([*lines, "    dir = ../../store", ""]))
    video = written(project / "data" / "a.mp4", b"a")
    tracked_folder(project / "data", tmp_path / "store")
    assert entry(video) == {"dvc_md5": md5(b"a")}


def test_without_the_list_of_a_folder_nothing_is_claimed_of_its_files(project: Path) -> None:
    video = written(project / "data" / "a.mp4", b"a")
    noted(project / "data", f"{md5(b'?')}.dir")
    assert entry(video) == {}
    assert DvcFiles().folder_entry([video]) == {}


@pytest.mark.parametrize("where", ["wdir: work", "foreach: [a]\n    do:\n      wdir: work"])
def test_the_output_of_a_stage_with_a_folder_of_its_own(project: Path, where: str) -> None:
    checkpoint = written(project / "work" / "runs" / "best.ckpt", b"w")
    (project / "dvc.yaml").write_text(f"stages:\n  train:\n    {where}\n")
    (project / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  train@a:\n    cmd: x\n    outs:\n"
        f"    - path: runs/best.ckpt\n      hash: md5\n      md5: {md5(b'w')}\n      size: 1\n"
    )
    assert entry(checkpoint) == {"dvc_md5": md5(b"w")}


def test_a_link_into_the_cache_is_not_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = md5(b"long video")
    stored = written(project / ".dvc/cache/files/md5" / digest[:2] / digest[2:], b"long video")
    video = project / "a.mp4"
    video.symlink_to(stored)
    noted(video, digest)
    monkeypatch.setitem(file_hashes._WAYS, "md5", pytest.fail)
    assert entry(video) == {"dvc_md5": digest}


@pytest.mark.parametrize("text", ["", "outs:", "- 1", "outs: [1]\n", "\tx: [", "outs:\n- path: a"])
def test_a_note_of_another_kind_is_passed_over(project: Path, text: str) -> None:
    video = written(project / "a.mp4", b"a")
    (project / "a.mp4.dvc").write_text(text)
    (project / "dvc.lock").write_text(text)
    assert entry(video) == {}


def test_the_record_of_a_run_has_them_all(project: Path) -> None:
    labels = written(project / "labels.csv", b"l")
    noted(labels, md5(b"l"))
    images = [written(project / "labeled-data" / s / "img0.png", s.encode()) for s in "ab"]
    whole = tracked_folder(project / "labeled-data", project / ".dvc" / "cache")
    video = written(project / "videos" / "v.mp4", b"v")
    noted(video, md5(b"v"))
    written(project / "videos" / "w.mp4", b"w")
    data = {
        "labels.csv": {"path": str(labels), "rows": 2},
        "images": {"root": str(project), "files": 2},
        "videos": {"root": str(video.parent), "files": {"v.mp4": {"bytes": 1}, "w.mp4": {}}},
    }
    found = with_dvc(data, images=images)
    assert found["labels.csv"] == {**data["labels.csv"], "dvc_md5": md5(b"l")}
    assert found["images"] == {**data["images"], "dvc_md5": whole}
    assert found["videos"]["files"] == {"v.mp4": {"bytes": 1, "dvc_md5": md5(b"v")}, "w.mp4": {}}
    images[1].write_bytes(b"c")
    assert with_dvc(data, images=images)["images"]["dvc_changed"] is True


def test_images_in_several_tracked_folders(project: Path) -> None:
    images = [written(project / s / "img0.png", s.encode()) for s in "ab"]
    md5s = {
        str(path.parent): tracked_folder(path.parent, project / ".dvc/cache") for path in images
    }
    assert DvcFiles().folder_entry(images) == {"dvc_md5s": md5s}


def commit(folder: Path) -> str:
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=folder, check=True)
    return (git(folder, "rev-parse", "HEAD") or "").strip()


def test_the_project_of_the_data(project: Path, tmp_path: Path) -> None:
    lock = written(project / "study" / "dvc.lock", b"schema: '2.0'\n")
    data = written(project / "study" / "data" / "labels.csv", b"l").parent
    without_git = project_state(tmp_path, data)
    assert without_git == {"root": str(project), "dvc_lock": md5(lock.read_bytes())}
    head = commit(project)
    assert project_state(data) == {**without_git, "commit": head, "dirty": False}
    written(project / "notes.txt", b"untracked files are nobody's version")
    assert project_state(data)["dirty"] is False
    written(data / "labels.csv", b"other")
    assert project_state(data)["dirty"] is True


def test_no_project_is_no_state(tmp_path: Path) -> None:
    assert project_state(tmp_path / "gone", tmp_path) == {}


@pytest.mark.long
def test_the_files_are_as_dvc_itself_writes_them(tmp_path: Path) -> None:
    images = [written(tmp_path / "labeled-data" / s / "img0.png", s.encode()) for s in "ab"]
    labels = written(tmp_path / "labels.csv", b"l\r\n")
    for words in (
        ["init", "-q", "--no-scm"],
        ["config", "core.analytics", "false"],
        ["add", "-q", "labels.csv", "labeled-data"],
    ):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=tmp_path, check=True)
    assert entry(labels) == {"dvc_md5": md5(b"l\r\n")}
    assert entry(images[0]) == {"dvc_md5": md5(b"a")}
    whole = DvcFiles().folder_entry(images)
    assert whole == entry(tmp_path / "labeled-data")
    assert str(whole["dvc_md5"]).endswith(".dir")
