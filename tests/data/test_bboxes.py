"""Bounding boxes: keyed by image for labels, one a frame for video; height before width."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.bboxes import (
    boxes_beside,
    boxes_of,
    check_boxes,
    check_boxes_show,
    read_bboxes,
    read_video_bboxes,
)

Write = Callable[..., Path]


def test_boxes_are_keyed_by_image_and_rounded(write: Write) -> None:
    path = write(",x,y,h,w\na/1.png,10,20,30,40\na\\2.png,1.4,-2.6,3,4\n")
    assert read_bboxes(path) == {"a/1.png": (10, 20, 30, 40), "a/2.png": (1, -3, 3, 4)}


def test_columns_are_found_by_name(write: Write) -> None:
    path = write("image,w,h,y,x\na.png,40,30,20,10\n")
    assert read_bboxes(path) == {"a.png": (10, 20, 30, 40)}


def test_a_video_has_one_box_a_frame(write: Write) -> None:
    for header in ("x,y,h,w\n", "frame,x,y,h,w\n"):
        first, second = ("0,", "1,") if header.startswith("frame") else ("", "")
        path = write(header + f"{first}1,2,3,4\n{second}5,6,7,8\n")
        np.testing.assert_array_equal(
            read_video_bboxes(path, num_frames=2), [[1, 2, 3, 4], [5, 6, 7, 8]]
        )


@pytest.mark.parametrize("numbers", ["10", "00", "12", "02"])
def test_rows_of_a_video_that_are_numbered_otherwise_are_refused(
    write: Write, numbers: str
) -> None:
    path = write(",x,y,h,w\n" + "".join(f"{number},1,2,3,4\n" for number in numbers))
    with pytest.raises(DataError, match=r"line [23]: the box is numbered [012] where frame"):
        read_video_bboxes(path)


@pytest.mark.parametrize(
    ("header", "rows", "line"),
    [
        (",x,y,h,w", ("1.0,1,2,3,4", "0.0,5,6,7,8"), 2),
        (",x,y,h,w", ("-1,1,2,3,4", "0,5,6,7,8"), 2),
        (",x,y,h,w", ("0,1,2,3,4", f"{'9' * 5000},5,6,7,8"), 3),
        (",x,y,h,w", (",1,2,3,4", "2,5,6,7,8"), 3),
        ("x,y,h,w,frame", ("1,2,3,4,0", "5,6,7,8,2"), 3),
        (",frame,x,y,h,w", ("0,1,1,2,3,4", "1,0,5,6,7,8"), 2),
    ],
)
def test_numbers_of_rows_are_found_however_they_are_written(
    write: Write, header: str, rows: tuple[str, ...], line: int
) -> None:
    path = write("\n".join((header, *rows)))
    with pytest.raises(DataError, match=rf"csv, line {line}: the box is numbered .* Sort the"):
        read_video_bboxes(path)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        (",x,y,h,w", ("0.0,1,2,3,4", "1.0,5,6,7,8")),
        ("x,y,h,w,mouse", ("1,2,3,4,7", "5,6,7,8,7")),
        ("time,x,y,h,w", ("0,1,2,3,4", "0.04,5,6,7,8")),
        (",frame,x,y,h,w", ("1,0,1,2,3,4", "0,1,5,6,7,8")),
    ],
)
def test_columns_that_do_not_number_the_rows_otherwise_are_no_fault(
    write: Write, header: str, rows: tuple[str, ...]
) -> None:
    boxes = read_video_bboxes(write("\n".join((header, *rows))))
    np.testing.assert_array_equal(boxes, [[1, 2, 3, 4], [5, 6, 7, 8]])


def test_rows_of_an_image_folder_may_have_its_names(write: Write) -> None:
    path = write(",x,y,h,w\nimg9.png,1,2,3,4\nimg10.png,5,6,7,8\n")
    assert len(read_video_bboxes(path, num_frames=2)) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,x,y,width,height\n", "missing: h, w"),
        ("", "missing: x, y, h, w"),
        ("image,x,y,h,w\na.png,1,2,0,4\n", "line 2: a box needs a height and width"),
        ("image,x,y,h,w\na.png,1,2,,4\n", "line 2: x, y, h and w must be numbers"),
        ("image,x,y,h,w\na.png,1,2,inf,4\n", "line 2: x, y, h and w must be numbers"),
        ("image,x,y,h,w\na.png,1,2,30000,2000000\n", "no picture has more than 65536 in a row"),
        (f"image,x,y,h,w\na.png,{'9' * 20},2,3,4\n", "line 2: x, y, h and w are pixels"),
        ("image,x,y,h,w\na.png,1,2,4\n", "line 2: there are 4 cells"),
        ("image,x,y,h,w\na.png,1,2,3,4\na.png,1,2,3,4\n", "line 3: a.png has a box already"),
        ("x,y,h,w\n1,2,3,4\n", "must name the image"),
    ],
)
def test_a_wrong_file_is_told(write: Write, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_bboxes(write(text))


def test_too_few_boxes_for_a_video_are_told_with_both_numbers(write: Write) -> None:
    path = write("x,y,h,w\n1,2,3,4\n", "v_bbox.csv")
    with pytest.raises(DataError, match=r"v_bbox\.csv has 1 row where the video has 9 frames"):
        read_video_bboxes(path, num_frames=9)


def test_an_image_without_a_box_is_named(make_table: Callable[..., LabelTable]) -> None:
    table = make_table(images=("a.png", "b.png"), hw=None)
    with pytest.raises(DataError, match=r"no bounding box for 1 image of .*: b\.png"):
        boxes_of(table, {"a.png": (0, 0, 1, 1)})


@pytest.mark.parametrize("box", [(80, 0, 5, 5), (0, 60, 5, 5), (-9, 3, 5, 9), (3, -9, 9, 5)])
def test_a_box_that_shows_nothing_is_refused(box: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"frame 1 of a.mp4 shows nothing.* 60 high and 80 wide"):
        check_boxes_show(np.array([(-2, -2, 3, 3), box]), (60, 80), name="a.mp4")


@pytest.mark.parametrize("box", [(-9, 0, 60, 1025), (0, 0, 60000, 60000)])
def test_a_box_that_is_much_larger_than_the_picture_is_refused(box: tuple[int, ...]) -> None:
    boxes = np.array([(-512, -512, 1024, 1024), box], dtype=np.int32)
    with pytest.raises(DataError, match=r"frame 1 of a.mp4 is too large: .* more than 1024"):
        check_boxes_show(boxes, (60, 80), name="a.mp4")
    check_boxes_show(np.array([(-2000, -900, 4000, 4000)]), (1000, 2000), name="a.mp4")


def test_boxes_in_small_numbers_are_compared_in_large_ones() -> None:
    check_boxes_show(np.array([(100, 100, 100, 100)], dtype=np.int8), (400, 400), name="a.mp4")


def test_whatever_has_the_name_of_boxes_lies_beside_a_video(tmp_path: Path) -> None:
    video, boxes = tmp_path / "a.mp4", tmp_path / "a_bbox.csv"
    assert boxes_beside(video) is None
    assert boxes_beside(tmp_path / f"{'n' * 250}.mp4") is None
    boxes.symlink_to("gone.csv")
    assert boxes_beside(video) == boxes
    with pytest.raises(DataError, match=r"a_bbox\.csv is a link to gone\.csv, where there is no"):
        read_video_bboxes(boxes)


def test_boxes_that_may_not_be_read_are_told_of(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, *args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    path = write("x,y,h,w\n1,2,3,4\n", "a_bbox.csv")
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(DataError, match=r"a_bbox\.csv cannot be read: Permission denied\. Put"):
        read_video_bboxes(path)


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([[0, 0, 10, 10]], "array of whole numbers"),
        (np.zeros((3, 4)), "array of whole numbers"),
        (np.ones((3, 5), dtype=int), "a row x, y, height, width"),
        (np.ones(4, dtype=int), "a row x, y, height, width"),
        (np.array([(0, 0, 5, 5), (0, 0, 0, 5)]), "box of frame 1 of a.mp4 is empty"),
    ],
)
def test_what_are_no_boxes_is_refused(boxes: object, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        check_boxes(boxes, name="a.mp4")


def test_an_odd_cell_does_not_hide_an_order_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "v_bbox.csv"
    path.write_text("frame,x,y,h,w\n2,0,0,9,9\n-,0,0,9,9\n0,0,0,9,9\n")
    with pytest.raises(DataError, match="line 2: the box is numbered 2 where frame 0"):
        read_video_bboxes(path)
    path.write_text("frame,x,y,h,w\na.png,0,0,9,9\nb.png,0,0,9,9\n")
    assert len(read_video_bboxes(path)) == 2


def test_unsigned_numbers_too_large_are_refused() -> None:
    boxes = np.full((2, 4), 2**64 - 1, dtype=np.uint64)
    with pytest.raises(DataError, match="hold a number that no picture has"):
        check_boxes(boxes, name="v.mp4")
