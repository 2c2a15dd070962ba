"""Label files in the shapes people have them, and the sentences for those that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.labels import read_labels, write_labels

Write = Callable[..., Path]

HEADER = "scorer,me,me,me,me\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n"
ROWS = "a/img1.png,1,2,3,4\na/img2.png,5.5,6.5,,\n"
XY = np.array([[[1, 2], [3, 4]], [[5.5, 6.5], [np.nan, np.nan]]])


def read(path: Path, **wanted: object) -> LabelTable:
    return read_labels(path, data_dir=path.parent, **wanted)


def error_of(path: Path, **wanted: object) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **wanted)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(HEADER + ROWS, id="three header rows"),
        pytest.param(HEADER.split("\n", 1)[1] + ROWS, id="no scorer row"),
        pytest.param(
            ",me,me,me,me\n,nose,nose,tail,tail\n,x,y,x,y\n" + ROWS, id="unnamed header rows"
        ),
        pytest.param((HEADER + ROWS).replace("\n", "\r\n"), id="CRLF"),
        pytest.param((HEADER + ROWS).replace("\n", "\r"), id="CR alone"),
        pytest.param(("\ufeff" + HEADER + ROWS).encode(), id="byte-order mark"),
        pytest.param(
            (HEADER + ROWS).replace(",", ";").replace(".5", ",5"), id="semicolons, decimal commas"
        ),
        pytest.param((HEADER + ROWS).replace(",", "\t"), id="tabs"),
        pytest.param(HEADER + ROWS.replace(",,", ",NaN,nan"), id="NaN spelled out"),
        pytest.param(HEADER + ROWS.replace("a/img", "a\\img"), id="backslashes"),
        pytest.param(HEADER + ROWS + "\n,,,,\n\n", id="blank lines at the end"),
        pytest.param(HEADER + "image,,,,\n" + ROWS, id="row of index names"),
        pytest.param(
            HEADER.replace(",", ",,,", 1).replace("parts,", "parts,,,").replace("rds,", "rds,,,")
            + ROWS.replace("a/img", "a,,img"),
            id="three index columns",
        ),
        pytest.param("# made by hand,,,,\n" + HEADER + ROWS, id="a comment before the header"),
        pytest.param(
            HEADER.replace("x,y,x,y", "X,Y,X,Y").replace("coords", "Coords") + ROWS, id="capitals"
        ),
    ],
)
def test_all_shapes_of_csv_give_the_same_table(write: Write, text: str | bytes) -> None:
    table = read(write(text))
    assert table.images == ("a/img1.png", "a/img2.png")
    assert table.keypoint_names == ("nose", "tail")
    np.testing.assert_array_equal(table.xy_img, XY)
    assert table.visible is None


def test_deeplabcuts_three_index_columns_are_joined_to_a_path(write: Write) -> None:
    header = HEADER.replace("scorer", "scorer,,").replace("parts", "parts,,")
    text = header.replace("coords", "coords,,") + "labeled-data,session,img1.png,1,2,3,4\n"
    assert read(write(text)).images == ("labeled-data/session/img1.png",)


def test_a_first_row_without_labels_survives(write: Write) -> None:
    table = read(write(HEADER + "a/img0.png,,,,\n" + ROWS))
    assert table.images[0] == "a/img0.png"
    assert np.isnan(table.xy_img[0]).all()
    assert len(table) == 3


def test_pandas_own_output_with_an_empty_first_row_is_read_whole(tmp_path: Path) -> None:
    columns = pd.MultiIndex.from_product(
        [["me"], ["nose", "tail"], ["x", "y"]], names=["scorer", "bodyparts", "coords"]
    )
    values = np.array([[np.nan] * 4, [1, 2, 3, 4]])
    frame = pd.DataFrame(values, index=["a/img0.png", "a/img1.png"], columns=columns)
    frame.to_csv(tmp_path / "labels.csv")
    table = read(tmp_path / "labels.csv")
    assert table.images == ("a/img0.png", "a/img1.png")
    np.testing.assert_array_equal(table.xy_img.reshape(2, 4), values)


def test_likelihood_and_set_columns_are_passed_over(write: Write) -> None:
    text = (
        "scorer,m,m,m,set\nbodyparts,nose,nose,nose,\ncoords,x,y,likelihood,\n"
        "a/img1.png,1,2,0.9,train\n"
    )
    table = read(write(text))
    np.testing.assert_array_equal(table.xy_img, [[[1, 2]]])


def test_visible_zero_means_not_labelled(write: Write) -> None:
    text = (
        "scorer,m,m,m,m,m,m\nbodyparts,nose,nose,nose,tail,tail,tail\n"
        "coords,x,y,visible,x,y,visible\n"
        "a/1.png,1,2,0,3,4,1\n"
        "a/2.png,1,2,2,,,2\n"
        "a/3.png,1,2,,,,\n"
    )
    table = read(write(text))
    assert np.isnan(table.xy_img[0, 0]).all()
    np.testing.assert_array_equal(table.xy_img[0, 1], [3, 4])
    np.testing.assert_array_equal(table.visible, [[0, 1], [2, 0], [2, 0]])


@pytest.mark.parametrize("index", ["paths", "three levels"])
def test_h5_of_the_same_table_reads_the_same(tmp_path: Path, index: str) -> None:
    columns = pd.MultiIndex.from_product(
        [["me"], ["nose", "tail"], ["x", "y"]], names=["scorer", "bodyparts", "coords"]
    )
    paths = pd.Index(["s/a/img1.png", "s/a/img2.png"], dtype=object)
    tuples = pd.MultiIndex.from_tuples([("s", "a", "img1.png"), ("s", "a", "img2.png")])
    frame = pd.DataFrame(
        XY.reshape(2, 4), index=paths if index == "paths" else tuples, columns=columns
    )
    path = tmp_path / "CollectedData.h5"
    frame.to_hdf(path, key="df_with_missing", mode="w")
    table = read(path)
    assert table.images == ("s/a/img1.png", "s/a/img2.png")
    assert table.scorer == "me"
    np.testing.assert_array_equal(table.xy_img, XY)


def test_what_is_written_is_read_back(write: Write, tmp_path: Path) -> None:
    text = (
        "scorer,m,m,m\nbodyparts,nose,nose,nose\ncoords,x,y,visible\n"
        'a/1.png,1.1,0.30000000000000004,1\n"a,b/2.png",,,0\n'
    )
    table = read(write(text))
    again = read(write_labels(table, tmp_path / "again.csv"))
    assert again.images == table.images == ("a/1.png", "a,b/2.png")
    np.testing.assert_array_equal(again.xy_img, table.xy_img)
    np.testing.assert_array_equal(again.visible, table.visible)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("image,nose_x,nose_y\na.png,1,2\n", "its first line is 'image,nose_x,nose_y'"),
        ("coords,x,y\na.png,1,2\n", "three header rows"),
        (
            "scorer,m,m\nindividuals,a,a\nbodyparts,n,n\ncoords,x,y\na.png,1,2\n",
            "labels several animals",
        ),
        (",m,m\n,mouse1,mouse1\n,n,n\n,x,y\na.png,1,2\n", "four-row header"),
        (HEADER + "a/img1.png,1,2,3\n", "line 4: there are 4 cells where the header has 5"),
        (HEADER + "a/img1.png,1,2,3,4,5\n", "line 4: there are 6 cells"),
        (HEADER + "a/img1.png,1,2,three,4\n", "line 4: tail x is 'three'"),
        (HEADER + ",1,2,3,4\n", "line 4: the first column must name an image"),
        (HEADER + "a/img1.png,1,,3,4\n", "only one of x and y: nose in a/img1.png"),
        (HEADER + "a/img1.png,1,inf,3,4\n", "an infinite coordinate: nose in a/img1.png"),
        (HEADER.replace("tail", "nose") + ROWS, "there twice: nose x, nose y"),
        ("bodyparts,nose,nose,tail\ncoords,x,y,x\na.png,1,2,3\n", "missing: tail y"),
        ("bodyparts,nose,nose,\ncoords,x,y,x\na.png,1,2,3\n", "column 4 has the body part ''"),
        (
            "bodyparts,n,n,n\ncoords,x,y,visible\na.png,1,2,7\n",
            "n visible is 7 in a.png; it is 0",
        ),
        (HEADER.encode() + b"a/\xff.png,1,2,3,4\n", "UTF-8"),
        (
            HEADER + "a/img1.png,1,2,3,4\na/\0img2.png,1,2,3,4\n",
            "line 5: 'a/\\x00img2.png' is no name",
        ),
        (HEADER + f"a.png,1,2,3,{'4x' * 999}\n", f"is '{'4x' * 30}', which is no number"),
    ],
)
def test_a_wrong_file_is_told_by_line_and_cell(write: Write, text: str | bytes, said: str) -> None:
    path = write(text)
    message = error_of(path)
    assert str(path) in message
    assert said in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "there is no such label file" in error_of(tmp_path / "none.csv")


def test_a_file_of_another_kind_is_refused(write: Write) -> None:
    assert "labels are read from .csv and .h5" in error_of(write(HEADER, "labels.xlsx"))


def test_a_broken_h5_is_told(write: Write) -> None:
    said = error_of(write("no hdf", "labels.h5"))
    assert "not a readable h5" in said
    assert said.endswith("Save it anew, or as csv.")
    assert "\n" not in said  # HDF5 tells of each of its functions


@pytest.mark.parametrize("name", [b"axis0_variety", b"axis0_level0"])
def test_an_h5_with_a_spoilt_byte_is_told(tmp_path: Path, name: bytes) -> None:
    columns = pd.MultiIndex.from_product([["me"], ["nose"], ["x", "y"]])
    path = tmp_path / "labels.h5"
    pd.DataFrame([[1.0, 2.0]], index=["a/b.png"], columns=columns).to_hdf(path, key="k")
    path.write_bytes(path.read_bytes().replace(name, b"_" + name[1:]))
    assert "not a readable h5" in error_of(path)


def test_the_first_row_may_be_shorter_than_the_others(write: Write) -> None:
    text = "scorer,\n,,,nose,nose\ncoords,,,x,y\nlabeled-data,a,img1.png,1,2\n"
    assert read(write(text)).scorer == "scorer"


@pytest.mark.parametrize("name", ["", "a/\0img.png"])
def test_a_row_of_h5_that_names_no_image_is_told(tmp_path: Path, name: str) -> None:
    columns = pd.MultiIndex.from_product([["me"], ["nose"], ["x", "y"]])
    path = tmp_path / "labels.h5"
    pd.DataFrame([[1.0, 2.0]] * 2, index=["a/b.png", name], columns=columns).to_hdf(path, key="k")
    assert f"{path}, row 2: " in error_of(path)


def test_four_column_levels_in_h5_are_several_animals(tmp_path: Path) -> None:
    columns = pd.MultiIndex.from_product([["me"], ["m1"], ["nose"], ["x", "y"]])
    frame = pd.DataFrame([[1.0, 2.0]], index=pd.Index(["a.png"], dtype=object), columns=columns)
    frame.to_hdf(tmp_path / "labels.h5", key="k", mode="w")
    assert "labels several animals" in error_of(tmp_path / "labels.h5")


def test_unknown_keypoint_names_come_with_the_nearest(write: Write) -> None:
    message = error_of(write(HEADER + ROWS), keypoint_names=["nose", "tali"])
    assert "Not in the file: tali (did you mean tail?)" in message
    assert "Only in the file: tail." in message


def test_names_in_another_order_are_refused(write: Write) -> None:
    message = error_of(write(HEADER + ROWS), keypoint_names=["tail", "nose"])
    assert "another order" in message
    assert "nose, tail" in message


def test_a_wrong_number_of_keypoints_is_told_with_both_numbers(write: Write) -> None:
    message = error_of(write(HEADER + ROWS), num_keypoints=3)
    assert "has 2 keypoints (nose, tail), but data.num_keypoints is 3" in message


def test_matching_names_and_number_are_accepted(write: Write) -> None:
    path = write(HEADER + ROWS)
    assert len(read(path, keypoint_names=["nose", "tail"], num_keypoints=2)) == 2


def test_the_example_recordings_read_as_documented(example_data: Path) -> None:
    root = example_data / "mirror-mouse-example"
    table = read(root / "CollectedData.csv")
    labelled = ~np.isnan(table.xy_img).any(-1)
    assert table.scorer == "rick"
    assert labelled.shape == (90, 17)
    assert labelled.all(axis=1).sum() == 42
    np.testing.assert_array_equal(table.xy_img[0, 0], [77.25, 36.25])
    assert round(100 * (1 - labelled.mean()), 1) == 8.8
