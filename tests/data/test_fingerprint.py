"""Hashes change when labels or images do, and only then."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_pose.contracts.batches import DataSpec
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.fingerprint import data_fingerprint, video_fingerprint
from lightning_pose.data.image_cache import ImageCache
from lightning_pose.data.labels import read_labels, write_labels


@pytest.fixture
def table(make_table: Callable[..., LabelTable], tmp_path: Path) -> LabelTable:
    path = write_labels(make_table(5), tmp_path / "CollectedData.csv")
    return read_labels(path, data_dir=tmp_path)


def images_of(table: LabelTable) -> dict[str, Any]:
    return data_fingerprint([table])["images"]


def test_labels_have_the_hash_of_their_file(table: LabelTable) -> None:
    assert table.source is not None
    entry = data_fingerprint([table])["CollectedData.csv"]
    assert entry == {
        "path": str(table.source),
        "sha256": hashlib.sha256(table.source.read_bytes()).hexdigest(),
        "rows": 5,
        "keypoints": 3,
    }


def test_the_order_of_rows_does_not_matter_to_the_images(table: LabelTable) -> None:
    assert images_of(table) == images_of(table.rows(np.array([3, 1, 4, 0, 2])))


def test_a_changed_image_changes_the_hash(table: LabelTable) -> None:
    before = images_of(table)
    table.path(2).write_bytes(table.path(2).read_bytes() + b" ")
    assert images_of(table)["sha256"] != before["sha256"]


def test_a_renamed_image_changes_the_hash(table: LabelTable) -> None:
    renamed = replace(table, images=("other.png", *table.images[1:]))
    table.path(0).rename(renamed.path(0))
    before = {table.path(row): "0" for row in range(5)}
    after = {renamed.path(row): "0" for row in range(5)}
    first, second = (
        data_fingerprint([t], digests=d)["images"]["sha256"]
        for t, d in ((table, before), (renamed, after))
    )
    assert first != second


def test_hashes_known_from_decoding_give_the_same(table: LabelTable) -> None:
    cache = ImageCache([table], spec=DataSpec(height=32, width=32))
    assert data_fingerprint([table], digests=cache.digests) == data_fingerprint([table])


def test_each_video_and_its_boxes_have_a_size_and_a_hash(tmp_path: Path) -> None:
    for name, content in (("a.mp4", b"aa"), ("b.mp4", b"b"), ("b_bbox.csv", b"x,y,h,w")):
        (tmp_path / name).write_bytes(content)
    boxes = {tmp_path / "b.mp4": tmp_path / "b_bbox.csv"}
    entry = video_fingerprint([tmp_path / "a.mp4", tmp_path / "b.mp4"], boxes)["videos"]
    assert entry["root"] == str(tmp_path)
    assert [(name, file["bytes"]) for name, file in entry["files"].items()] == [
        ("a.mp4", 2),
        ("b.mp4", 1),
        ("b_bbox.csv", 7),
    ]
    assert entry["files"]["b.mp4"]["sha256"] != entry["files"]["a.mp4"]["sha256"]


def test_a_video_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.mp4 cannot be read"):
        video_fingerprint([tmp_path / "gone.mp4"], {})
