"""The prediction table: what it refuses, and that its files give back what was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightning_pose.contracts.errors import DataError, VideoError
from lightning_pose.contracts.predictions import (
    Prediction,
    Predictions,
    write_predictions_csv,
)

NAN = float("nan")
NAMES = ("nose", "tail")
SUFFIXES = (".csv", ".h5", ".parquet")


def table(count: int = 4, *, images: bool = False) -> Predictions:
    rng = np.random.default_rng(0)
    return Predictions(
        xy_img=rng.uniform(0, 400, size=(count, 2, 2)),
        confidence=rng.uniform(size=(count, 2)),
        keypoint_names=NAMES,
        frame_ids=np.arange(count),
        images=tuple(f"labeled-data/s/img{i:08d}.png" for i in range(count)) if images else (),
        sets=("train", "validation", "test", "unused")[:count] if images else (),
    )


def batch(*frame_ids: int) -> Prediction:
    count = len(frame_ids)
    return Prediction(
        xy_img=np.array(frame_ids, dtype=np.float32)[:, None, None]
        * np.ones((1, 2, 2), np.float32),
        confidence=np.ones((count, 2), dtype=np.float32),
        frame_ids=np.array(frame_ids, dtype=np.int64),
    )


def same(found: Predictions, expected: Predictions) -> None:
    np.testing.assert_allclose(found.xy_img, expected.xy_img, rtol=1e-12)
    np.testing.assert_allclose(found.confidence, expected.confidence, rtol=1e-12)
    np.testing.assert_array_equal(found.frame_ids, expected.frame_ids)
    assert (found.images, found.sets) == (expected.images, expected.sets)
    assert found.keypoint_names == expected.keypoint_names


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("images", [False, True])
def test_a_file_gives_back_what_was_written(tmp_path: Path, suffix: str, images: bool) -> None:
    expected = table(images=images)
    same(Predictions.read(expected.write(tmp_path / f"a{suffix}")), expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("row", [0, 2])
def test_a_row_without_any_number_survives_the_file(
    tmp_path: Path, suffix: str, images: bool, row: int
) -> None:
    expected = table(images=images)
    expected.xy_img[row], expected.confidence[row] = NAN, NAN
    same(Predictions.read(expected.write(tmp_path / f"a{suffix}")), expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("count", [0, 1])
def test_no_frame_or_one_survives_the_file(tmp_path: Path, suffix: str, count: int) -> None:
    expected = table(count)
    same(Predictions.read(expected.write(tmp_path / f"a{suffix}")), expected)


def test_a_part_of_a_video_keeps_its_frame_numbers(tmp_path: Path) -> None:
    expected = table(6).rows(np.array([False, True, False, True, True, False]))
    found = Predictions.read(expected.write(tmp_path / "a.csv"))
    assert found.frame_ids.tolist() == [1, 3, 4]


def test_the_csv_has_the_header_of_deeplabcut(tmp_path: Path) -> None:
    lines = table(1, images=True).to_csv(tmp_path / "a.csv").read_text().splitlines()
    assert lines[0].split(",")[:2] == ["scorer", "lightning_pose"]
    assert lines[1].split(",") == ["bodyparts", *["nose"] * 3, *["tail"] * 3, ""]
    assert lines[2].split(",") == ["coords", *["x", "y", "likelihood"] * 2, ""]
    assert lines[0].split(",")[-1] == "set"
    assert lines[3].startswith("labeled-data/s/img00000000.png,")
    assert lines[3].endswith(",train")


def test_the_h5_holds_the_same_header(tmp_path: Path) -> None:
    frame = pd.DataFrame(pd.read_hdf(table().write(tmp_path / "a.h5")))
    assert list(frame.columns.names) == ["scorer", "bodyparts", "coords"]


def test_batches_in_any_order_become_one_table_in_frame_order() -> None:
    found = Predictions.from_batches(
        [batch(2, 3), batch(0, 1)], keypoint_names=NAMES, num_frames=4
    )
    assert found.frame_ids.tolist() == [0, 1, 2, 3]
    assert found.xy_img[:, 0, 0].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_video_without_frames_is_an_empty_table() -> None:
    assert len(Predictions.from_batches([], keypoint_names=NAMES, num_frames=0)) == 0


def test_a_frame_predicted_twice_is_named() -> None:
    with pytest.raises(VideoError, match=r"mouse\.mp4: frame 1 was predicted twice"):
        Predictions.from_batches(
            [batch(0, 1), batch(1, 2)], keypoint_names=NAMES, source="mouse.mp4"
        )


@pytest.mark.parametrize("ids", [(0, 1, 3), (1, 2, 3), (0, 1, 2)])
def test_a_missing_frame_is_named(ids: tuple[int, ...]) -> None:
    missing = next(i for i in range(4) if i not in ids)
    with pytest.raises(VideoError, match=rf"3 frames .* has 4; first missing: \[{missing}\]"):
        Predictions.from_batches([batch(*ids)], keypoint_names=NAMES, num_frames=4)


def test_more_frames_than_the_video_has_are_refused() -> None:
    with pytest.raises(VideoError, match="5 frames were predicted where the video has 4"):
        Predictions.from_batches([batch(*range(5))], keypoint_names=NAMES, num_frames=4)


def test_rows_take_images_and_sets_along() -> None:
    found = table(images=True).rows(np.array([3, 0]))
    assert found.sets == ("unused", "train")
    assert found.images[0].endswith("3.png")


def test_coordinates_of_another_number_of_keypoints_are_refused() -> None:
    with pytest.raises(DataError, match=r"1 frames and 2 keypoints need .* got \(1, 3, 2\)"):
        Predictions(
            xy_img=np.zeros((1, 3, 2)),
            confidence=np.zeros((1, 3)),
            keypoint_names=NAMES,
            frame_ids=np.arange(1),
        )


def test_image_names_of_another_number_are_refused() -> None:
    with pytest.raises(DataError, match="1 image names for 4 predicted frames"):
        table().with_images(["a.png"], ["test"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv: there is no such"):
        Predictions.read(tmp_path / "a.csv")


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "x\n", "s,a,a\nb,n,n\nc,x,y\n0,1,2\n"])
def test_a_csv_of_something_else_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=r"a\.csv is not a predictions table"):
        Predictions.read(tmp_path / "a.csv")


def test_infinite_numbers_are_named(tmp_path: Path) -> None:
    text = "s,a,a,a\nb,n,n,n\nc,x,y,likelihood\n0,1,2,0.5\n1,inf,2,0.5\n"
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match="row 1 holds an infinite number"):
        Predictions.read(tmp_path / "a.csv")


@pytest.mark.parametrize("suffix", [".h5", ".parquet"])
def test_a_damaged_file_is_named(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=rf"a\{suffix} is not a predictions table"):
        Predictions.read(tmp_path / f"a{suffix}")


def test_an_unknown_format_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"written as \.csv, \.h5, \.parquet"):
        table().write(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match=r"read from \.csv, \.h5, \.parquet"):
        Predictions.read(tmp_path / "a.xlsx")


def test_numbers_in_csv_have_the_fewest_digits_and_give_back_every_bit(tmp_path: Path) -> None:
    xy = np.array([[[0.1, 7.0], [1e-7, NAN]], [[1 / 3, -2.0], [3e10, 65536.0]]], dtype=np.float32)
    written = Predictions(
        xy_img=xy,
        confidence=np.array([[1.0, 0.5], [0.0, NAN]], dtype=np.float32),
        keypoint_names=NAMES,
        frame_ids=np.arange(2),
    )
    path = written.to_csv(tmp_path / "a.csv")
    header, rows = path.read_text().splitlines()[:3], path.read_text().splitlines()[3:]
    assert header == [
        "scorer" + ",lightning_pose" * 6,
        "bodyparts,nose,nose,nose,tail,tail,tail",
        "coords,x,y,likelihood,x,y,likelihood",
    ]
    assert rows == ["0,0.1,7,1,1e-7,,0.5", "1,0.33333334,-2,0,3e+10,65536,"]
    found = Predictions.read(path)
    np.testing.assert_array_equal(found.xy_img.astype(np.float32), xy)
    by_pandas = pd.read_csv(path, header=[0, 1, 2], index_col=0)
    np.testing.assert_array_equal(
        by_pandas.to_numpy(dtype=np.float32).reshape(2, 2, 3)[..., :2], xy
    )
    assert by_pandas["lightning_pose", "nose", "y"].tolist() == [7, -2]  # whole numbers


def test_a_csv_written_in_parts_is_the_one_written_whole(tmp_path: Path) -> None:
    whole = table(50)
    parts = [whole.rows(range(start, min(start + 7, 50))) for start in range(0, 50, 7)]
    in_parts = write_predictions_csv(tmp_path / "parts.csv", parts)
    assert in_parts.read_bytes() == whole.to_csv(tmp_path / "whole.csv").read_bytes()


def test_words_with_commas_and_quotes_survive_the_csv(tmp_path: Path) -> None:
    odd = ('mouse, "left"/img0.png', "plain.png")
    written = replace(table(2), images=odd, keypoint_names=("paw, left", "tail"))
    found = Predictions.read(written.to_csv(tmp_path / "a.csv"))
    assert (found.images, found.keypoint_names) == (odd, ("paw, left", "tail"))


def test_nothing_half_written_is_left_where_a_part_cannot_be_had(tmp_path: Path) -> None:
    def parts() -> Iterator[Predictions]:
        yield table(2)
        raise DataError("no more")

    with pytest.raises(DataError, match="no more"):
        write_predictions_csv(tmp_path / "a.csv", parts())
    assert list(tmp_path.iterdir()) == []
