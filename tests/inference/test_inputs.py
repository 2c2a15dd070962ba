"""What the user names is found, sorted as people sort, and refused in words."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from lightning_pose.contracts.errors import VideoError
from lightning_pose.inference.inputs import Input, Kind, by_view, expand_inputs, natural_key
from lightning_pose.video.files import split_view


def touch(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return [folder / name for name in names]


def test_a_folder_gives_its_videos_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "v10.mp4", "v2.AVI", "v1.mkv", "notes.txt", ".hidden.mp4")
    found = expand_inputs([tmp_path])
    assert [item.path.name for item in found] == ["v1.mkv", "v2.AVI", "v10.mp4"]
    assert {item.kind for item in found} == {Kind.VIDEO}


def test_our_own_labelled_videos_are_not_predicted_again(tmp_path: Path) -> None:
    touch(tmp_path, "day1.mp4", "day1_labeled.mp4", "day1_snippet.mp4", "old_labeled.mp4")
    names = [item.path.name for item in expand_inputs([tmp_path])]
    assert names == ["day1.mp4", "old_labeled.mp4"]


def test_a_folder_of_images_is_one_input(tmp_path: Path) -> None:
    touch(tmp_path, "img10.png", "img9.png", "img010.PNG")
    (found,) = expand_inputs([tmp_path])
    assert found.kind is Kind.IMAGES
    assert [image.name for image in found.images] == ["img9.png", "img010.PNG", "img10.png"]


def test_label_files_and_single_images_are_known(tmp_path: Path) -> None:
    touch(tmp_path, "CollectedData.csv", "CollectedData.h5", "img1.png")
    paths = [tmp_path / n for n in ("CollectedData.csv", "CollectedData.h5", "img1.png")]
    assert [i.kind for i in expand_inputs(paths)] == [Kind.LABELS, Kind.LABELS, Kind.IMAGES]


def test_a_list_names_one_path_a_line(tmp_path: Path) -> None:
    touch(tmp_path / "videos", "a.mp4", "b.mp4")
    touch(tmp_path / "more", "c.mp4")
    manifest = tmp_path / "todo.txt"
    manifest.write_text(f"# to do\nvideos\n\n  {tmp_path / 'more' / 'c.mp4'}  \n")
    names = [item.path.name for item in expand_inputs([manifest])]
    assert names == ["a.mp4", "b.mp4", "c.mp4"]


def test_what_is_named_twice_is_predicted_once(tmp_path: Path) -> None:
    (video,) = touch(tmp_path, "a.mp4")
    assert len(expand_inputs([video, tmp_path, str(video)])) == 1


def test_a_file_with_an_unknown_suffix_is_tried_as_a_video(tmp_path: Path) -> None:
    (odd,) = touch(tmp_path, "recording.dat")
    assert expand_inputs([odd])[0].kind is Kind.VIDEO


def test_impossible_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"no file or folder .*absent\.mp4"):
        expand_inputs([tmp_path / "absent.mp4"])
    empty = tmp_path / "empty"
    (empty / "session1").mkdir(parents=True)
    with pytest.raises(VideoError, match=r"no video \(\.mp4, .*no image \(\.png, .* session1\."):
        expand_inputs([empty])
    with pytest.raises(VideoError, match="empty text"):
        expand_inputs([""])
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match=r"pipe\.mp4 is neither a file nor a folder"):
        expand_inputs([tmp_path / "pipe.mp4"])
    touch(tmp_path / "mixed", "a.mp4", "a.png")
    with pytest.raises(VideoError, match=r"holds videos .* and images"):
        expand_inputs([tmp_path / "mixed"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"absent.mp4\n", "None of the 1 paths .* the first is .*absent.mp4"),
        (b"# nothing\n\n", "lists no path"),
        (b"\xff\xfe\x00\x01", "taken for a list"),
        (b"bin\x00ary", "taken for a list"),
        (b"todo.txt\n", "lists itself"),
        (b"other.txt\n", "todo.txt lists itself"),
        (b"../x/absent.mp4\n/none/b.mp4", "None of the 2 paths .* first is .*absent.mp4"),
        ("a.mp4\n".encode("utf-16"), "is no text. Save a list as text in UTF-8"),
    ],
)
def test_lists_that_are_none_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "todo.txt").write_bytes(content)
    (tmp_path / "other.txt").write_text("todo.txt")
    with pytest.raises(VideoError, match=reason):
        expand_inputs([tmp_path / "todo.txt"])


def test_a_list_may_hold_odd_names(tmp_path: Path) -> None:
    names = ["a\x0bb.mp4", "c\x85d.mp4", "e\u2028f.mp4"]
    touch(tmp_path, *names)
    (tmp_path / "todo.txt").write_bytes("\r\n".join(names).encode())
    assert [item.path.name for item in expand_inputs([tmp_path / "todo.txt"])] == names


def test_a_name_in_a_list_may_be_in_another_encoding(tmp_path: Path) -> None:
    name = os.fsdecode("vidéo.mp4".encode("latin-1"))
    touch(tmp_path, name)
    (tmp_path / "todo.txt").write_bytes("vidéo.mp4\n".encode("latin-1"))
    assert [item.path.name for item in expand_inputs([tmp_path / "todo.txt"])] == [name]


def test_of_a_list_what_is_gone_fails_later_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.mp4", "closed.mp4", "~$c.mp4")
    (tmp_path / "todo.txt").write_text("gone.mp4\na.mp4\nclosed.mp4\n~$c.mp4\n")
    stat = Path.stat

    def closed(self: Path, **options: bool) -> os.stat_result:
        if self.name == "closed.mp4":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", closed)
    found = expand_inputs([tmp_path / "todo.txt"])
    assert [item.path.name for item in found] == ["gone.mp4", "a.mp4", "closed.mp4", "~$c.mp4"]
    assert {item.kind for item in found} == {Kind.VIDEO}


def test_a_link_to_nothing_may_be_one_of_several(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / "b.mp4").symlink_to("gone.mp4")
    found = expand_inputs(sorted(tmp_path.glob("*.mp4")))
    assert [item.path.name for item in found] == ["a.mp4", "b.mp4"]


def test_a_link_to_nothing_is_no_video_less(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / "b.mp4").symlink_to("gone.mp4")
    assert [item.path.name for item in expand_inputs([tmp_path])] == ["a.mp4", "b.mp4"]


def test_natural_order_survives_odd_names() -> None:
    names = ["a", "a1", "1", "10", "2", "a01", "b2c10", "b2c9", "", "_"]
    ordered = sorted((Path("x") / f"{name}.png" for name in names), key=natural_key)
    stems = [path.name.removesuffix(".png") for path in ordered]
    assert stems.index("2") < stems.index("10")
    assert stems.index("b2c9") < stems.index("b2c10")


def videos(*names: str) -> list[Input]:
    return [Input(kind=Kind.VIDEO, path=Path("videos") / name) for name in names]


def test_files_of_a_session_are_brought_together_in_the_order_of_the_views() -> None:
    inputs = videos("s1_side.mp4", "s1_top.mp4", "s2_top.mp4", "s2_side.mp4")
    sessions, unusable = by_view(inputs, ("top", "side"))
    assert not unusable
    assert [[item.path.name for item in session] for session in sessions] == [
        ["s1_top.mp4", "s1_side.mp4"],
        ["s2_top.mp4", "s2_side.mp4"],
    ]


def test_without_views_each_input_stands_alone() -> None:
    sessions, unusable = by_view(videos("a.mp4", "b.mp4"), ())
    assert [len(session) for session in sessions] == [1, 1]
    assert not unusable


def test_a_session_without_a_view_is_named() -> None:
    inputs = videos("s1_top.mp4", "s2.mp4", "s3_top.mp4", "s3_side.mp4")
    sessions, unusable = by_view(inputs, ("top", "side"))
    assert sessions == [tuple(inputs[2:])]
    assert list(unusable) == [(inputs[1],), (inputs[0],)]
    no_view, no_side = map(str, unusable.values())
    assert "s2.mp4 should name one of the views top, side" in no_view
    assert "'s1' in videos has no file for the view side. Add it" in no_side
    assert no_side.endswith("take the session out of the folder, or name the files to predict.")


def test_two_files_of_one_view_are_named() -> None:
    inputs = videos("s1_top.mp4", "s1_top.avi", "s1_side.mp4")
    sessions, unusable = by_view(inputs, ("top", "side"))
    assert not sessions
    ((items, reason),) = unusable.items()
    assert set(items) == set(inputs)
    assert re.search(r"s1_top\.mp4 and .*s1_top\.avi are both the view 'top'", str(reason))


@pytest.mark.parametrize(
    ("name", "views", "expected"),
    [
        ("inside_side", ("top", "side"), ("inside", "side")),
        ("s1_top_left", ("top", "top_left"), ("s1", "top_left")),
        ("s1_cam_top", ("top", "cam_top"), ("s1", "cam_top")),
        ("2024.01.02-top", ("top", "side"), ("2024.01.02", "top")),
        ("top_s1_2", ("top", "side"), ("s1_2", "top")),
        ("s1_top_2", ("top", "side"), ("s1_2", "top")),
        ("mousetop", ("top", "side"), ("mouse", "top")),
    ],
)
def test_session_and_view_are_read_from_the_name(
    name: str, views: tuple[str, ...], expected: tuple[str, str]
) -> None:
    assert split_view(Path(f"{name}.mp4"), views) == expected
