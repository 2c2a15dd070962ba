"""The toy data set in the user's cache is made once, whole, and by whoever comes first."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_pose.contracts.errors import WriteError
from lightning_pose.data.toy import TOY_VERSION, cache, toy_dataset_dir

Make = Callable[..., Path]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replace the drawing by one empty label file; return the folders it was asked for."""
    folders: list[Path] = []

    def make(out: Path, *, seed: int, separate_cameras: bool) -> Path:
        folders.append(out)
        (out / "CollectedData.csv").write_text(f"seed {seed}")
        return out

    monkeypatch.setattr(cache, "make_toy_dataset", make)
    return folders


def test_it_is_made_on_first_use_only(made: list[Path], tmp_path: Path) -> None:
    first, second = toy_dataset_dir(tmp_path), toy_dataset_dir(tmp_path)
    assert first == second == tmp_path / "lightning_pose" / f"toy-v{TOY_VERSION}-seed0"
    assert (first / "CollectedData.csv").is_file()
    assert len(made) == 1


def test_each_seed_has_its_own_folder(made: list[Path], tmp_path: Path) -> None:
    assert toy_dataset_dir(tmp_path, seed=1) != toy_dataset_dir(tmp_path, seed=2)


def test_separate_cameras_have_their_own_folder(made: list[Path], tmp_path: Path) -> None:
    assert toy_dataset_dir(tmp_path, separate_cameras=True) != toy_dataset_dir(tmp_path)
    assert len(made) == 2


def test_it_lies_in_the_users_cache(
    made: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert toy_dataset_dir().is_relative_to(tmp_path / "caches")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert toy_dataset_dir().is_relative_to(tmp_path / "home" / ".cache")


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(out: Path, *, seed: int, separate_cameras: bool) -> Path:
        (out / "half").write_text(str(seed))
        raise KeyboardInterrupt

    monkeypatch.setattr(cache, "make_toy_dataset", break_off)
    with pytest.raises(KeyboardInterrupt):
        toy_dataset_dir(tmp_path)
    assert list((tmp_path / "lightning_pose").iterdir()) == []


def test_what_a_killed_process_left_is_cleared_away_after_a_while(
    made: list[Path], tmp_path: Path
) -> None:
    left = [tmp_path / "lightning_pose" / f".toy-v{TOY_VERSION}-seed0.{n}" for n in ("old", "new")]
    for folder in left:
        folder.mkdir(parents=True)
    os.utime(left[0], (0, 0))
    toy_dataset_dir(tmp_path)
    assert [folder.exists() for folder in left] == [False, True]


def test_two_at_once_both_get_the_whole_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(2)
    results: list[Path] = []

    def make(out: Path, *, seed: int, separate_cameras: bool) -> Path:
        (out / "CollectedData.csv").write_text(f"seed {seed}")
        together.wait(timeout=20)
        return out

    monkeypatch.setattr(cache, "make_toy_dataset", make)
    threads = [
        threading.Thread(target=lambda: results.append(toy_dataset_dir(tmp_path)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    assert results[0] == results[1]
    assert [p.name for p in (tmp_path / "lightning_pose").iterdir()] == [results[0].name]


def test_a_cache_that_cannot_be_written_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "lightning_pose").write_text("a file where the folder should be")
    with pytest.raises(WriteError, match="XDG_CACHE_HOME"):
        toy_dataset_dir(tmp_path)
