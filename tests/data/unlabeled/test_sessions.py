"""Unlabelled videos are found and grouped by their names, or the user is told what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.data.unlabeled import find_box_files, find_sessions


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def names(sessions: list[tuple[Path, ...]]) -> list[tuple[str, ...]]:
    return [tuple(video.name for video in session) for session in sessions]


def test_every_video_of_one_camera_is_a_session(tmp_path: Path) -> None:
    touch(tmp_path, "b10.mp4", "b2.avi", "a.MKV", "notes.txt", ".hidden.mp4", "a_labeled.mp4")
    assert names(find_sessions(tmp_path)) == [("a.MKV",), ("b2.avi",), ("b10.mp4",)]
    assert names(find_sessions(tmp_path, ["only"])) == [("a.MKV",), ("b2.avi",), ("b10.mp4",)]


def test_a_single_video_may_be_named(tmp_path: Path) -> None:
    assert names(find_sessions(touch(tmp_path, "a.mp4", "b.mp4") / "b.mp4")) == [("b.mp4",)]


def test_views_are_grouped_in_the_order_given(tmp_path: Path) -> None:
    touch(tmp_path, "m1_top.mp4", "m1_side.mp4", "side_m2.mp4", "top_m2.mp4")
    assert names(find_sessions(tmp_path, ["top", "side"])) == [
        ("m1_top.mp4", "m1_side.mp4"),
        ("top_m2.mp4", "side_m2.mp4"),
    ]


@pytest.mark.parametrize(
    ("files", "views", "reason"),
    [
        (
            [],
            [],
            r"holds no video \(\.mp4, .*Put videos there, or leave model\.losses_to_use empty",
        ),
        (["inner/a.mp4"], [], "not searched: inner"),
        (["a.txt"], [], "holds no video"),
        (
            ["a_top.mp4"],
            ["top", "side"],
            "the view side .* take the session out of data.video_dir",
        ),
        (["a.mp4"], ["top", "side"], "should name one of the views top, side"),
        (["a_top.mp4", "a_top.avi", "a_side.mp4"], ["top", "side"], "keep one"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, files: list[str], views: list[str], reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        find_sessions(touch(tmp_path, *files), views)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder .*nowhere.*data\.video_dir"):
        find_sessions(tmp_path / "nowhere")


def test_a_file_that_is_no_video_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv has no suffix of a video"):
        find_sessions(touch(tmp_path, "a.csv") / "a.csv")


def test_boxes_beside_videos_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "a_bbox.csv", "b.mkv", "b_bbox.csv")
    found = find_box_files(find_sessions(tmp_path), required_by=["boxes.csv"])
    assert {video.name: path.name for video, path in found.items()} == {
        "a.mp4": "a_bbox.csv",
        "b.mkv": "b_bbox.csv",
    }


def test_boxes_beside_a_video_are_refused_where_labelled_images_are_whole(tmp_path: Path) -> None:
    sessions = find_sessions(touch(tmp_path, "a.mp4", "b.mp4"))
    assert find_box_files(sessions) == {}
    touch(tmp_path, "b_bbox.csv")
    with pytest.raises(DataError, match=r"b_bbox\.csv crops b\.mp4, .*data\.bbox_file, or move"):
        find_box_files(sessions)


def test_a_link_to_boxes_that_leads_nowhere_is_no_video_without_boxes(tmp_path: Path) -> None:
    sessions = find_sessions(touch(tmp_path, "a.mp4"))
    (tmp_path / "a_bbox.csv").symlink_to("gone.csv")
    assert find_box_files(sessions, required_by=["boxes.csv"])
    with pytest.raises(DataError, match=r"a_bbox\.csv crops a\.mp4"):
        find_box_files(sessions)


def test_a_video_of_a_long_name_has_no_boxes(tmp_path: Path) -> None:
    assert find_box_files(find_sessions(touch(tmp_path, f"{'n' * 250}.mp4"))) == {}


def test_a_video_without_the_boxes_it_needs_is_named(tmp_path: Path) -> None:
    sessions = find_sessions(touch(tmp_path, "a.mp4", "a_bbox.csv", "b.mp4"))
    with pytest.raises(DataError, match=r"b\.mp4 there is no b_bbox\.csv, with the columns"):
        find_box_files(sessions, required_by=["boxes.csv"])
