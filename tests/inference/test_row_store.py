"""The rows of a session on the disk: whole ones count, whatever became of the process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import VideoError, WriteError
from lightning_pose.inference.row_store import RowStore

NAMES = ("nose", "tail")
VIEWS = 2
WORDS = 4 + 3 * VIEWS * len(NAMES)


def opened(path: Path | None, key: str = "k") -> RowStore:
    return RowStore(path, key=key, keypoint_names=NAMES, num_views=VIEWS, run_id="r")


def values(frame_ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows in which each number tells frame, keypoint and coordinate."""
    ids = np.array(frame_ids, dtype=np.int64)
    points = np.arange(VIEWS * len(NAMES), dtype=np.float32)
    x = ids[:, None].astype(np.float32) + points / 8
    return ids, np.stack([x, -x], axis=-1), x / 1024


def add(store: RowStore, *frame_ids: int) -> None:
    store.add(*values(frame_ids))


def frames_of(store: RowStore) -> list[int]:
    return store.views()[0].frame_ids.tolist()


@pytest.mark.parametrize("on_disk", [True, False])
def test_rows_come_back_in_order_of_frames_view_by_view(tmp_path: Path, on_disk: bool) -> None:
    store = opened(tmp_path / "rows" if on_disk else None)
    for frame_ids in ([4, 5, 6], [0, 1], [3, 2]):
        add(store, *frame_ids)
    ids, xy, confidence = values(range(7))
    for start, stop in ((0, None), (0, 7), (2, 5), (6, 7), (3, 3)):
        for view, table in enumerate(store.views(start, stop)):
            columns = slice(2 * view, 2 * view + 2)
            np.testing.assert_array_equal(table.frame_ids, ids[start:stop])
            np.testing.assert_array_equal(table.xy_img, xy[start:stop, columns])
            np.testing.assert_array_equal(table.confidence, confidence[start:stop, columns])
            assert table.xy_img.dtype == table.confidence.dtype == np.float32
            assert (table.keypoint_names, table.run_id) == (NAMES, "r")
    assert store.num_rows == 7
    store.check_complete(7)


@pytest.mark.parametrize("on_disk", [True, False])
def test_no_rows_may_be_added(tmp_path: Path, on_disk: bool) -> None:
    store = opened(tmp_path / "rows" if on_disk else None)
    add(store)
    assert (store.num_rows, frames_of(store)) == (0, [])
    add(store, 0, 1)
    add(store)
    assert frames_of(store) == [0, 1]
    store.check_complete(2)


def test_nothing_known_is_nan_again(tmp_path: Path) -> None:
    store = opened(tmp_path / "rows")
    ids, xy, confidence = values([0])
    store.add(ids, xy * np.nan, confidence * np.nan)
    assert np.isnan(opened(tmp_path / "rows").views()[1].xy_img).all()


def test_what_is_there_is_known_by_frames() -> None:
    store = opened(None)
    add(store, *range(10, 20))
    add(store, *range(0, 10))
    add(store, *range(25, 30))
    assert store.has(0, 20)
    assert store.has(5, 15)
    assert store.has(25, 30)
    assert store.has(7, 7)
    assert not store.has(19, 21)
    assert not store.has(20, 26)
    assert not store.has(29, 31)


def test_frames_that_lack_are_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(None)
    ids = np.arange(40)
    assert store.lacks(ids).all()
    for frame_ids in ([10, 11, 12], [30], [0, 1, 2, 3], [13, 14]):
        add(store, *frame_ids)
    assert store.lacks(ids).tolist() == [not store.has(i, i + 1) for i in range(40)]
    assert store.lacks(ids[::-3]).tolist() == store.lacks(ids)[::-3].tolist()
    asked: list[int] = []
    in_order = store._in_order
    monkeypatch.setattr(store, "_in_order", lambda: asked.append(1) or in_order())
    store.lacks(ids)
    assert len(asked) == 1


def test_only_the_rows_asked_for_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(None)
    for start in range(90, -1, -10):
        add(store, *range(start, start + 10))
    read: list[int] = []
    read_rows = store._read_rows

    def count(row: int, number: int) -> np.ndarray:
        read.append(number)
        return read_rows(row, number)

    monkeypatch.setattr(store, "_read_rows", count)
    assert store.views(75, 92)[0].frame_ids.tolist() == list(range(75, 92))
    assert read == [5, 10, 2]


def test_another_process_takes_up_what_is_there(tmp_path: Path) -> None:
    first = opened(tmp_path / "rows")
    add(first, *range(9000))  # more than are read at once
    found = opened(tmp_path / "rows")
    assert found.has(0, 9000)
    add(found, 9000)
    assert frames_of(opened(tmp_path / "rows")) == list(range(9001))


@pytest.mark.parametrize("cut", range(1, WORDS * 4 + 1))
def test_a_torn_row_is_cut_off_and_made_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "rows"
    store = opened(path)
    add(store, 0, 1)
    add(store, 2)
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = opened(path)
    assert frames_of(again) == [0, 1]
    add(again, 2)
    again.close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("word", range(WORDS))
def test_a_row_that_was_not_written_as_it_should_counts_no_more(tmp_path: Path, word: int) -> None:
    path = tmp_path / "rows"
    store = opened(path)
    for frame in (0, 1, 2):
        add(store, frame)
    store.close()
    content = bytearray(path.read_bytes())
    content[len(content) - WORDS * 8 + word * 4] ^= 1  # in the row of frame 1
    path.write_bytes(content)
    assert frames_of(opened(path)) == [0]


@pytest.mark.parametrize("count", [3, 5000])  # fewer than are read at once, and more
def test_rows_that_were_added_together_count_together(tmp_path: Path, count: int) -> None:
    path = tmp_path / "rows"
    store = opened(path)
    add(store, 0, 1)
    kept = path.stat().st_size
    add(store, *range(2, 2 + count))
    whole = path.read_bytes()
    for rows in {1, count // 2, count - 1}:  # of the later ones are whole
        path.write_bytes(whole[: kept + rows * WORDS * 4])
        again = opened(path)
        assert frames_of(again) == [0, 1]
        assert path.stat().st_size == kept
        add(again, *range(2, 2 + count))
        assert path.read_bytes() == whole


def test_a_block_of_zeros_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    add(opened(path), 1, 2)
    with path.open("ab") as file:
        file.write(bytes(WORDS * 4 * 3))
    assert frames_of(opened(path)) == [1, 2]


@pytest.mark.parametrize("content", [b"", b"litpose rows 1", b"something else\n" * 100])
def test_a_file_of_something_else_begins_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows"
    path.write_bytes(content)
    assert opened(path).num_rows == 0
    add(opened(path, key="another model"), 0, 1)
    assert opened(path).num_rows == 0
    assert opened(path, key="another model").num_rows == 0


def test_it_can_be_begun_anew(tmp_path: Path) -> None:
    store = opened(tmp_path / "rows")
    add(store, 0, 1)
    store.clear()
    assert not store.has(0, 1)
    add(store, 1)
    assert frames_of(opened(tmp_path / "rows")) == [1]


def test_how_frames_are_numbered_is_kept(tmp_path: Path) -> None:
    store = opened(tmp_path / "rows")
    add(store, 0, 1)
    store.clear(as_a_whole=True)
    add(store, 0)
    again = opened(tmp_path / "rows")
    assert (again.as_a_whole, frames_of(again)) == (True, [0])
    again.clear()
    assert not opened(tmp_path / "rows").as_a_whole


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ([[0, 1], [1, 2, 3]], "Frame 1 was predicted twice"),
        ([[0, 1], [3]], r"3 frames were predicted where the video has 4; first missing: \[2\]"),
        ([[1, 2, 3]], r"first missing: \[0\]"),
        ([[0, 1, 2, 3, 4]], "5 frames were predicted where the video has 4"),
        ([], r"0 frames .* has 4; first missing: \[0, 1, 2, 3\]"),
    ],
)
def test_frames_that_lack_or_come_twice_are_told_of(added: list[list[int]], said: str) -> None:
    store = opened(None)
    for frame_ids in added:
        add(store, *frame_ids)
    with pytest.raises(VideoError, match=said):
        store.check_complete(4)


def test_rows_that_another_process_wrote_over_are_noticed(tmp_path: Path) -> None:
    one, other = opened(tmp_path / "rows"), opened(tmp_path / "rows")
    add(one, 0, 1, 2)
    add(other, 7, 8)
    with pytest.raises(WriteError, match="was changed while it was in use"):
        one.views()


def test_the_file_can_be_deleted(tmp_path: Path) -> None:
    store = opened(tmp_path / "folder" / "rows")
    store.delete()
    assert list((tmp_path / "folder").iterdir()) == []


LIMITED = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from lightning_pose.contracts.errors import WriteError
from lightning_pose.inference.row_store import RowStore
store = RowStore(Path(sys.argv[1]), key="k", keypoint_names=["a"])
store.add(np.arange(1), np.zeros((1, 1, 2), np.float32), np.ones((1, 1), np.float32))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    store.add(np.arange(1, 101), np.zeros((100, 1, 2), np.float32), np.ones((100, 1), np.float32))
except WriteError as error:
    print(error)
"""


def test_a_file_that_may_not_grow_costs_no_row_that_was_whole(
    tmp_path: Path, checkout: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "rows")],
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    assert "rows was not written: File too large." in done.stdout, done.stderr
    found = RowStore(tmp_path / "rows", key="k", keypoint_names=["a"])
    assert found.num_rows == 1
