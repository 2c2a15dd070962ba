"""run.json says what made a run."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops import provenance
from lightning_pose.mlops.provenance import (
    close_record,
    code_difference,
    code_state,
    open_record,
)


def opened(run_dir: Path, resumed: RunRecord | None = None) -> RunRecord:
    (run_dir / "config.yaml").write_text("model: {}\n")
    return open_record(
        run_dir=run_dir,
        overrides=["model=heatmap"],
        data={"labels": {"sha256": "0"}},
        seeds={"data": 0, "model": 1},
        resumed=resumed,
    )


def test_a_record_survives_the_file(tmp_path: Path) -> None:
    record = opened(tmp_path)
    assert RunRecord.read(record.write(tmp_path / "run.json")) == record


def test_the_configuration_is_hashed(tmp_path: Path) -> None:
    assert opened(tmp_path).config_sha256 == hashlib.sha256(b"model: {}\n").hexdigest()


def test_a_resumed_run_keeps_its_identity(tmp_path: Path) -> None:
    first = opened(tmp_path)
    again = opened(tmp_path, resumed=first)
    assert (again.run_id, again.started) == (first.run_id, first.started)


def test_a_closed_record_names_the_checkpoint_and_its_hashes(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoints" / "best.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"weights")
    closed = close_record(
        opened(tmp_path), outcome="finished", metrics={"a": 1.0}, checkpoint=checkpoint
    )
    assert closed.outcome == "finished"
    assert closed.ended is not None
    assert closed.checkpoint["path"] == "checkpoints/best.ckpt"
    assert closed.checkpoint["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert closed.checkpoint["md5"] == hashlib.md5(b"weights").hexdigest()


def test_outside_git_only_the_version_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert set(provenance.code_state()) == {"version"}


def test_versions_of_what_results_hang_on_are_there() -> None:
    assert {"python", "torch", "lightning"} <= set(provenance.package_versions())


def test_uncommitted_changes_are_kept_as_a_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    module = package / "__init__.py"
    module.write_text("before = 1\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(provenance.lightning_pose, "__file__", str(module))
    assert (code_difference(), code_state()["dirty"]) == ("", False)
    module.write_text("after = 1\n")
    assert "+after = 1" in code_difference()
    state = code_state()
    assert state["dirty"] is True
    assert len(state["diff_sha256"]) == 64
