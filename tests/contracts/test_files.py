"""A name holds the whole result or nothing, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lightning_pose.contracts.errors import DataError, WriteError
from lightning_pose.contracts.files import (
    file_sha256,
    in_home,
    is_file,
    is_name_too_long,
    remove_leftovers,
    sampled_sha256,
    write_atomically,
    write_text,
)


def test_a_text_is_written_with_its_folders(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a" / "b.txt", "ü\n")
    assert path.read_text(encoding="utf-8") == "ü\n"
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


def test_the_writer_sees_the_suffix(tmp_path: Path) -> None:
    seen: list[Path] = []

    def write(path: Path) -> None:
        seen.append(path)
        path.touch()

    write_atomically(tmp_path / "a.h5", write)
    assert seen[0].suffix == ".h5"
    assert seen[0].parent == tmp_path


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full. Free some space"),
        (OSError(errno.EROFS, "Read-only file system"), r"not written: Read-only file system\."),
    ],
)
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, error: OSError, sentence: str) -> None:
    path = write_text(tmp_path / "a.txt", "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise error

    with pytest.raises(WriteError, match=sentence):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whatever_stops_a_write_leaves_nothing_and_is_passed_on(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def stop(temporary: Path) -> None:
        temporary.write_text("half")
        raise error

    with pytest.raises(error):
        write_atomically(tmp_path / "a.txt", stop)
    assert not list(tmp_path.iterdir())


def test_two_threads_that_write_one_file_write_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.json"

    def write_while_another_does(temporary: Path) -> None:
        temporary.write_text("the one that ends last")
        with ThreadPoolExecutor() as pool:
            pool.submit(write_text, path, "another").result()
        assert path.read_text() == "another"

    write_atomically(path, write_while_another_does)
    assert path.read_text() == "the one that ends last"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_where_a_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(WriteError, match=r"b\.txt was not written"):
        write_text(tmp_path / "a" / "b.txt", "")


def test_a_tilde_is_a_home_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert in_home("~/a.mp4") == Path("/home/ada/a.mp4")
    assert in_home("~$open.docx") == Path("~$open.docx")


def test_what_cannot_be_looked_for_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path := tmp_path / "a.txt").write_text("")
    assert is_file(path)
    assert not is_file(tmp_path)
    assert not is_file(tmp_path / ("a" * 300))

    def closed(*_: object, **__: object) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", closed)
    assert not is_file(path)


def test_a_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    with pytest.raises(DataError, match=r"none\.csv cannot be read: No such file"):
        file_sha256(tmp_path / "none.csv")


def test_name_and_time_do_not_count(tmp_path: Path) -> None:
    first, second = tmp_path / "a.mp4", tmp_path / "b.mp4"
    first.write_bytes(b"x" * 1000)
    second.write_bytes(b"x" * 1000)
    os.utime(second, (1, 1))
    assert sampled_sha256(first) == sampled_sha256(second)


def test_content_and_length_count(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    seen = set()
    for content in (b"", b"x", b"xx", b"y"):
        path.write_bytes(content)
        seen.add(sampled_sha256(path))
    assert len(seen) == 4


def test_both_ends_of_a_large_file_count(tmp_path: Path) -> None:
    path = tmp_path / "big.mp4"
    seen = set()
    for place in (None, 0, 50 * 2**20 - 1):
        with path.open("wb") as file:
            file.truncate(50 * 2**20)
            if place is not None:
                file.seek(place)
                file.write(b"!")
        seen.add(sampled_sha256(path))
    assert len(seen) == 3


def test_the_order_of_files_counts(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    forth = [tmp_path / "a", tmp_path / "b"]
    assert sampled_sha256(forth) != sampled_sha256(forth[::-1])


def test_what_a_killed_writer_left_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    left = [".a.12.34.tmp.csv", ".a.12.tmp.csv"]
    others = ["a.csv", ".a.12.34.tmp.h5", ".a_b.12.34.tmp.csv", ".a.b.12.tmp.csv", ".a.tmp.csv"]
    for name in left + others:
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path / "a.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_a_name_is_too_long_where_its_temporary_file_would_be(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "not" / "yet"):
        assert not is_name_too_long(folder / f"{'n' * 230}.csv")
        assert is_name_too_long(folder / f"{'n' * 231}.csv")
        assert is_name_too_long(folder / f"{'n' * 230}.mp4", is_video=True)
