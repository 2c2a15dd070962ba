"""Locks on files: one holder, known by name, and none once it is dead."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_pose.contracts.file_locks import (
    FileLock,
    NoLocksError,
    is_held,
    is_held_here,
    times_left,
)

HOLDER = """
import sys
from pathlib import Path
from lightning_pose.contracts.file_locks import FileLock
print(FileLock(Path(sys.argv[1]), leave_file=False).take() or "held", flush=True)
sys.stdin.read()
"""

ASKER = """
import sys, time
from pathlib import Path
from lightning_pose.contracts.file_locks import is_held
print("asking", flush=True)
end = time.monotonic() + 30
while time.monotonic() < end:
    is_held(Path(sys.argv[1]))
"""


def holder(path: Path, checkout: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=checkout,
        text=True,
    )


def test_who_holds_it_is_told_and_a_dead_process_holds_nothing(
    tmp_path: Path, checkout: Path
) -> None:
    path = tmp_path / "claim"
    with holder(path, checkout) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert FileLock(path).take() == f"process {other.pid} on {os.uname().nodename}"
        assert is_held(path)
        assert not is_held_here(path)
        other.kill()
    assert not is_held(path)
    mine = FileLock(path, leave_file=False)
    assert mine.take() == ""
    with holder(path, checkout) as other:
        assert other.communicate()[0] == f"process {os.getpid()} on {os.uname().nodename}\n"
    mine.release()
    assert not path.exists()


def test_processes_that_left_it_are_counted(tmp_path: Path, checkout: Path) -> None:
    path = tmp_path / "claim"
    assert times_left(path) == 0
    for number in range(1, 4):
        with holder(path, checkout) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            assert times_left(path) == 0
            assert FileLock(path).take() == f"process {other.pid} on {os.uname().nodename}"
            other.kill()
        assert times_left(path) == number
    mine = FileLock(path, leave_file=False)
    assert mine.take() == ""
    assert times_left(path) == 0
    with holder(path, checkout) as other:  # to be counted has not unlocked it
        assert other.communicate()[0] == f"process {os.getpid()} on {os.uname().nodename}\n"
    mine.release()
    assert times_left(path) == 0


def test_who_asks_keeps_nobody_from_taking_it(tmp_path: Path, checkout: Path) -> None:
    path = tmp_path / "claim"
    path.touch()
    words = [sys.executable, "-c", ASKER, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=checkout, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "asking\n"
        lock, told = FileLock(path), set[str]()
        for _ in range(3000):
            told.add(lock.take())
            lock.release()
        other.kill()
    assert told == {""}


def test_one_process_takes_it_once(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "claim"), FileLock(tmp_path / "claim")
    assert first.take() == ""
    assert second.take() == f"process {os.getpid()} on {os.uname().nodename}"
    second.release()
    assert is_held_here(tmp_path / "claim")
    first.release()
    assert not is_held(tmp_path / "claim")
    assert (tmp_path / "claim").exists()
    assert second.take() == ""
    second.release()


def test_a_file_that_was_deleted_while_it_was_locked_is_no_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "claim"
    opened = Path.open
    calls = []

    def open_then_lose(self: Path, *args: object, **kwargs: object) -> object:
        file = opened(self, *args, **kwargs)
        if not calls:
            path.unlink()  # as the one who held it does when it ends
        calls.append(self)
        return file

    monkeypatch.setattr(Path, "open", open_then_lose)
    lock = FileLock(path)
    assert lock.take() == ""
    assert len(calls) == 2
    assert path.exists()
    lock.release()


def test_a_disk_without_locks_is_told_from_a_lock_that_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with pytest.raises(NoLocksError, match="No locks available"):
        FileLock(tmp_path / "claim").take()
    assert (tmp_path / "claim").exists()
    with pytest.raises(NoLocksError, match="No locks available"):
        FileLock(tmp_path / "empty", leave_file=False).take()
    assert not (tmp_path / "empty").exists()
    (tmp_path / "left").write_text("process 1 on another\n")
    with pytest.raises(NoLocksError, match="No locks available"):
        FileLock(tmp_path / "left", leave_file=False).take()
    monkeypatch.setattr(Path, "unlink", lambda self, **_: refuse())
    with pytest.raises(NoLocksError, match="No locks available"):
        FileLock(tmp_path / "kept", leave_file=False).take()
    assert (tmp_path / "left").exists()  # of one that the locks were there for, perhaps
