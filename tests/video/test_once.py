from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from lightning_pose.video.once import once_per_file


def test_it_is_found_out_again_once_the_file_changes(tmp_path: Path) -> None:
    calls: list[Path] = []

    @once_per_file(kept=2)
    def length(path: Path) -> int:
        calls.append(path)
        return len(path.read_text())

    file = tmp_path / "a"
    file.write_text("one")
    assert (length(file), length(file), len(calls)) == (3, 3, 1)
    file.write_text("three")
    assert (length(file), len(calls)) == (5, 2)


def test_a_file_of_the_same_name_elsewhere_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @once_per_file(kept=2)
    def text(path: Path) -> str:
        return path.read_text()

    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_text(folder)
        monkeypatch.chdir(tmp_path / folder)
        assert text(Path("x")) == folder


def test_errors_are_raised_each_time_and_a_missing_file_is_left_to_the_function(
    tmp_path: Path,
) -> None:
    calls: list[Path] = []

    @once_per_file(kept=2)
    def broken(path: Path) -> int:
        calls.append(path)
        raise ValueError("as it should")

    for path in (tmp_path, tmp_path, tmp_path / "absent"):
        with pytest.raises(ValueError, match="as it should"):
            broken(path)
    assert len(calls) == 3


def test_threads_wait_for_what_another_is_about_to_find_out(tmp_path: Path) -> None:
    calls: list[Path] = []

    @once_per_file(kept=2)
    def slow(path: Path) -> int:
        calls.append(path)
        time.sleep(0.05)
        return 1

    threads = [threading.Thread(target=slow, args=(tmp_path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
