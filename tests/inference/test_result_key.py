"""Keys tell results apart, cheaply."""

from __future__ import annotations

import os
from pathlib import Path

import lightning_pose
from lightning_pose.inference.result_key import code_version, fingerprint, result_key


def test_name_and_time_do_not_count(tmp_path: Path) -> None:
    first, second = tmp_path / "a.mp4", tmp_path / "b.mp4"
    first.write_bytes(b"x" * 1000)
    second.write_bytes(b"x" * 1000)
    os.utime(second, (1, 1))
    assert fingerprint(first) == fingerprint(second)


def test_content_and_length_count(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    seen = set()
    for content in (b"", b"x", b"xx", b"y"):
        path.write_bytes(content)
        seen.add(fingerprint(path))
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
        seen.add(fingerprint(path))
    assert len(seen) == 3


def test_the_order_of_files_counts(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    forth = [tmp_path / "a", tmp_path / "b"]
    assert fingerprint(forth) != fingerprint(forth[::-1])


def test_each_part_changes_the_key() -> None:
    parts = {"model": "m", "source": ["s"], "precision": "bf16"}
    keys = {result_key(parts)} | {result_key(parts | {name: "other"}) for name in parts}
    assert len(keys) == 4
    assert result_key(parts) == result_key(dict(reversed(parts.items())))


def test_the_code_is_named_by_version_and_content() -> None:
    assert code_version().startswith(f"{lightning_pose.__version__}+")
