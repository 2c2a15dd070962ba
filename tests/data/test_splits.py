"""Splits: shares, folders kept together, files read, subsets nested."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.labels import read_labels
from lightning_pose.data.splits import Split, split_rows


def table_of(images: list[str]) -> LabelTable:
    xy_img = np.arange(len(images) * 4, dtype=float).reshape(len(images), 2, 2)
    return LabelTable(
        images=tuple(images), xy_img=xy_img, keypoint_names=("a", "b"), root=Path("/nowhere")
    )


def frames(number: int) -> LabelTable:
    return table_of([f"s/img{i:04d}.png" for i in range(number)])


def counts(split: Split) -> tuple[int, int, int]:
    number = Counter(split.sets)
    return number["train"], number["validation"], number["test"]


@pytest.mark.parametrize(
    ("number", "train_prob", "val_prob", "expected"),
    [
        (90, 0.8, 0.1, (72, 9, 9)),
        (90, 0.95, 0.05, (85, 5, 0)),
        (100, 0.95, 0.05, (95, 5, 0)),
        (100, 0.7, 0.1 + 0.2, (70, 30, 0)),
        (100, 0.6 + 5e-7, 0.4, (60, 40, 0)),
        (10, 0.95, 0.05, (9, 1, 0)),
        (10, 0.8, 0.1, (8, 1, 1)),
        (3, 0.95, 0.05, (2, 1, 0)),
        (2, 0.95, 0.05, (1, 1, 0)),
        (2, 0.8, 0.1, (1, 1, 0)),
        (4, 0.9, 0.05, (2, 1, 1)),
        (5, 1.0, 0.0, (5, 0, 0)),
        (1, 1.0, 0.0, (1, 0, 0)),
        (5, 0.1, 0.0, (1, 0, 4)),
    ],
)
def test_shares_become_these_numbers(
    number: int, train_prob: float, val_prob: float, expected: tuple[int, int, int]
) -> None:
    split = split_rows(frames(number), train_prob=train_prob, val_prob=val_prob)
    assert counts(split) == expected


def test_the_seed_decides() -> None:
    first, again, other = (split_rows(frames(50), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_split_of_an_image_does_not_depend_on_row_order() -> None:
    table = frames(40)
    order = np.random.default_rng(0).permutation(40)
    split = split_rows(table, train_prob=0.7, val_prob=0.2)
    shuffled = split_rows(table.rows(order), train_prob=0.7, val_prob=0.2)
    assert dict(zip(split.images, split.sets, strict=True)) == dict(
        zip(shuffled.images, shuffled.sets, strict=True)
    )


def test_a_split_is_the_same_on_every_machine() -> None:
    """The order was taken from ``printf 0:s/img0000.png | sha256sum`` and so on, sorted."""
    split = split_rows(frames(12), train_prob=0.5, val_prob=0.25, seed=0)
    assert split.rows("validation").tolist() == [0, 2, 10]
    assert split.rows("test").tolist() == [3, 8, 9]


def test_frames_of_one_folder_stay_together() -> None:
    images = [f"session{s}/img{i}.png" for s in range(12) for i in range(1 + s)]
    split = split_rows(table_of(images), by="video", train_prob=0.6, val_prob=0.2)
    sets_of_folder: dict[str, set[str]] = {}
    for image, part in zip(split.images, split.sets, strict=True):
        sets_of_folder.setdefault(image.split("/")[0], set()).add(part)
    assert all(len(parts) == 1 for parts in sets_of_folder.values())
    train, validation, test = (number / len(images) for number in counts(split))
    assert train == pytest.approx(0.6, abs=0.12)
    assert validation == pytest.approx(0.2, abs=0.12)
    assert test == pytest.approx(0.2, abs=0.12)


@pytest.mark.parametrize(("folders", "expected"), [(2, {"t", "v"}), (3, {"t", "v", "T"})])
def test_few_folders_reach_every_part_there_is_one_for(folders: int, expected: set[str]) -> None:
    images = [f"session{s}/img{i}.png" for s in range(folders) for i in range(30)]
    split = split_rows(table_of(images), by="video", train_prob=0.8, val_prob=0.1)
    letters = {"train": "t", "validation": "v", "test": "T"}
    assert {letters[part] for part in split.sets} == expected


def test_one_folder_cannot_be_split_by_video() -> None:
    with pytest.raises(DataError, match="All 9 labelled images are in one folder, s;"):
        split_rows(frames(9), by="video")


def test_a_split_file_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("image,set\ns/img0002.png,val\ns/img0000.png,train\ns/img0001.png,test\n")
    split = split_rows(frames(3), by="file", split_file=path)
    assert split.sets == ("train", "test", "validation")


def test_a_split_file_may_name_other_images_too(tmp_path: Path) -> None:
    path = split_rows(frames(9)).write(tmp_path / "split.csv")
    assert len(split_rows(frames(3), by="file", split_file=path).sets) == 3


def test_images_a_split_file_forgets_are_named(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("image,set\ns/img0000.png,train\n")
    with pytest.raises(
        DataError, match=r"no set for 2 labelled images: s/img0001\.png, s/img0002"
    ):
        split_rows(frames(3), by="file", split_file=path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,part\na,train\n", "columns image and set, got image, part"),
        ("", "an empty file"),
        ("image,set\na,training\n", "line 2: 'training' is no set"),
        ("image,set\na\n", "line 2: '' is no set"),
        ("image,set\na,train\na,test\n", "more than once: a"),
    ],
)
def test_a_wrong_split_file_is_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        Split.read(path)


def test_a_missing_split_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: there is no such file"):
        split_rows(frames(3), by="file", split_file=tmp_path / "none.csv")
    with pytest.raises(DataError, match="needs a csv in split_file"):
        split_rows(frames(3), by="file")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    split = split_rows(frames(20), train_prob=0.5, val_prob=0.2, train_frames=5)
    path = split.write(tmp_path / "splits.csv")
    assert Split.read(path) == split
    assert path.read_text().splitlines()[0] == "image,set"


@pytest.mark.parametrize(
    ("train_prob", "val_prob", "said"),
    [
        (0.95, 0.1, "add up to 1.05"),
        (0.5, 0.500002, "add up to"),
        (0.0, 0.5, "train_prob must be above 0"),
        (-0.1, 0.5, "train_prob must be above 0"),
        (0.5, -0.1, "val_prob between 0 and 1"),
    ],
)
def test_impossible_shares_are_told(train_prob: float, val_prob: float, said: str) -> None:
    with pytest.raises(DataError, match=said):
        split_rows(frames(10), train_prob=train_prob, val_prob=val_prob)


def test_one_labelled_image_cannot_be_validated() -> None:
    with pytest.raises(DataError, match="There is 1 labelled image; training with validation"):
        split_rows(frames(1))


def test_an_unknown_way_to_split_is_told() -> None:
    with pytest.raises(DataError, match="by frame, video, file, not by 'animal'"):
        split_rows(frames(9), by="animal")


def test_smaller_training_sets_lie_in_larger_ones() -> None:
    table = frames(60)
    chosen = [
        set(split_rows(table, seed=3, train_frames=n).rows("train")) for n in (1, 2, 0.1, 10, 0.5)
    ]
    assert [len(rows) for rows in chosen] == [57, 2, 5, 10, 28]
    everything, two, tenth, ten, half = chosen
    assert two < tenth < ten < half < everything


def test_rows_left_out_of_training_are_unused_and_others_stay() -> None:
    whole = split_rows(frames(60))
    part = split_rows(frames(60), train_frames=10)
    np.testing.assert_array_equal(whole.rows("validation"), part.rows("validation"))
    assert len(part.rows("unused")) == len(whole.rows("train")) - 10


def test_none_trains_on_everything() -> None:
    assert split_rows(frames(20), train_frames=None) == split_rows(frames(20), train_frames=1)


@pytest.mark.parametrize(
    ("train_frames", "said"),
    [(50, "only 19 are in training"), (2.5, "whole number"), (0, "whole number"), (-3, "whole")],
)
def test_an_impossible_number_to_train_on_is_told(train_frames: float, said: str) -> None:
    with pytest.raises(DataError, match=said):
        split_rows(frames(20), train_frames=train_frames)


def test_rows_without_labels_are_unused() -> None:
    table = frames(20)
    table.xy_img[[3, 7]] = np.nan
    split = split_rows(table)
    assert [row for row, part in enumerate(split.sets) if part == "unused"] == [3, 7]


def test_a_label_in_any_view_counts() -> None:
    table, other = frames(20), frames(20)
    table.xy_img[[3, 7]] = np.nan
    other.xy_img[3] = np.nan
    split = split_rows(table, other_views=[other])
    assert [row for row, part in enumerate(split.sets) if part == "unused"] == [3]


@pytest.mark.parametrize("seed", [42, 43, 44])
def test_the_published_splits_of_the_example_are_followed(example_data: Path, seed: int) -> None:
    root = example_data / "mirror-mouse-example"
    table = read_labels(root / "CollectedData.csv", data_dir=root)
    split_file = root / "splits" / f"mirror-mouse_seed{seed}.csv"
    split = split_rows(table, by="file", split_file=split_file)
    assert counts(split) == (72, 9, 9)
