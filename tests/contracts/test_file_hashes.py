"""A file is hashed again exactly when it may have changed, whatever becomes of the cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightning_pose.contracts import file_hashes
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.file_hashes import FileHashes, file_hash

PAST_NS = 1_000_000_000 * 10**9


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as old at once: the change time of a file cannot be set."""
    monkeypatch.setattr(file_hashes, "COARSEST_CLOCK_NS", 0)


def written(path: Path, content: bytes = b"content") -> Path:
    path.write_bytes(content)
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def forge(cache: Path, digest: str) -> None:
    """Replace every digest in the cache: whoever gives it back has not read the file."""
    for path in cache.rglob("*.json"):
        text = path.read_text()
        for word in text.split('"'):
            if len(word) == len(digest):
                text = text.replace(word, digest)
        path.write_text(text)


@pytest.mark.usefixtures("no_waiting")
def test_a_file_that_has_not_changed_is_not_read_again(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path / "a.png")
    with FileHashes(folder=cache) as hashes:
        assert hashes.of(path) == sha256(b"content")
    forge(cache, "f" * 64)
    again = FileHashes(folder=cache)
    assert again.known(path) == again.of(path) == "f" * 64
    assert again.read(path) == (b"content", "f" * 64)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("change", ["content", "same size, old time", "replaced", "touched"])
def test_a_file_that_changed_in_any_way_is_read(tmp_path: Path, cache: Path, change: str) -> None:
    path = written(tmp_path / "a.png")
    with FileHashes(folder=cache) as hashes:
        hashes.of(path)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    forge(cache, "f" * 64)
    if change == "content":
        written(path, b"another content")
    elif change == "same size, old time":
        written(path, b"CONTENT")
        os.utime(path, ns=times)
    elif change == "replaced":
        written(tmp_path / "b.png", b"CONTENT").replace(path)
    else:
        os.utime(path, ns=(PAST_NS, PAST_NS))
    assert FileHashes(folder=cache).of(path) == sha256(path.read_bytes())


def test_an_edit_in_the_same_second_is_seen_on_any_clock(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def whole_seconds(path: Path) -> tuple[int, int, int, int]:
        found = path.stat()
        second = found.st_mtime_ns // 10**9 * 10**9
        return found.st_size, found.st_ino, second, second

    monkeypatch.setattr(file_hashes, "_state", whole_seconds)
    for before, after in ((b"one", b"two"), (b"two", b"six")):
        path = written(tmp_path / "a.csv", before)
        with FileHashes(folder=cache) as hashes:
            assert hashes.of(path) == sha256(before)
        written(path, after)  # same size, same second, same inode
        assert FileHashes(folder=cache).of(path) == sha256(after)


@pytest.mark.usefixtures("no_waiting")
def test_a_file_that_changes_while_it_is_hashed_is_not_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.csv")

    def slow(file: Path, _: object) -> str:
        digest = sha256(file.read_bytes())
        written(file, b"changed meanwhile")
        return digest

    monkeypatch.setitem(file_hashes._WAYS, "sha256", slow)
    with FileHashes(folder=cache) as hashes:
        hashes.of(path)
    assert FileHashes(folder=cache).known(path) is None


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"folder": 1}', "\x00\xff", '{"files": {"a": 1}}']
)
def test_a_broken_cache_is_made_again(tmp_path: Path, cache: Path, text: str) -> None:
    path = written(tmp_path / "a.csv")
    with FileHashes(folder=cache) as hashes:
        hashes.of(path)
    (file,) = cache.rglob("*.json")
    good = file.read_text()
    file.write_text(text)
    with FileHashes(folder=cache) as hashes:
        assert hashes.of(path) == sha256(b"content")
    assert file.read_text() == good


@pytest.mark.usefixtures("no_waiting")
def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    blocked = written(tmp_path / "cache")  # a file, where a folder should be
    with FileHashes(folder=blocked) as hashes:
        assert hashes.of(blocked) == sha256(b"content")


@pytest.mark.usefixtures("no_waiting")
def test_kinds_do_not_mix(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path / "a.csv")
    with FileHashes("sha256", folder=cache) as hashes:
        hashes.of(path)
    with FileHashes("md5", folder=cache) as hashes:
        assert hashes.of(path) == hashlib.md5(b"content").hexdigest()
        assert hashes.read(path)[1] == hashes.of(path)


@pytest.mark.usefixtures("no_waiting")
def test_what_others_learnt_meanwhile_is_kept(tmp_path: Path, cache: Path) -> None:
    first, second = written(tmp_path / "a"), written(tmp_path / "b")
    one, two = FileHashes(folder=cache), FileHashes(folder=cache)
    one.of(first)
    two.of(second)
    one.save()
    two.save()
    both = FileHashes(folder=cache)
    assert both.known(first)
    assert both.known(second)


def test_several_processes_that_write_at_once_leave_a_whole_cache(
    tmp_path: Path, cache: Path
) -> None:
    paths = [written(tmp_path / f"{number}.png", bytes([number])) for number in range(40)]
    code = (
        "import sys; from pathlib import Path; from lightning_pose.contracts import file_hashes\n"
        "file_hashes.COARSEST_CLOCK_NS = 0\n"
        "for turn in range(20):\n"
        "    with file_hashes.FileHashes(folder=Path(sys.argv[1])) as hashes:\n"
        "        hashes.of_all(map(Path, sys.argv[2:]))\n"
    )
    command = [sys.executable, "-c", code, str(cache), *map(str, paths)]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    hashes = FileHashes(folder=cache)
    assert [hashes.known(path) for path in paths] == [sha256(p.read_bytes()) for p in paths]
    assert not list(cache.rglob("*.tmp*"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv cannot be read: No such file"):
        file_hash(tmp_path / "gone.csv")


def test_a_file_written_just_now_is_not_kept(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path / "a.csv")
    assert time.time_ns() - path.stat().st_mtime_ns < file_hashes.COARSEST_CLOCK_NS
    with FileHashes(folder=cache) as hashes:
        hashes.of(path)
    assert FileHashes(folder=cache).known(path) is None


@pytest.mark.usefixtures("no_waiting")
def test_a_listener_is_told_of_every_byte_that_is_read_and_of_no_other(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(FileHashes, "listener", lambda done, total: told.append((done, total)))
    paths = [written(tmp_path / name, size * b"a") for name, size in (("a", 5), ("b", 2**23))]
    with FileHashes("md5", folder=cache) as hashes:
        assert hashes.of(paths[0]) == hashlib.md5(5 * b"a").hexdigest()
        hashes.of_all(paths)
        assert hashes.of_all(paths)[paths[1]] == hashlib.md5(2**23 * b"a").hexdigest()
    assert told == [(5, 5), (2**22, 2**23), (2**23, 2**23)]
