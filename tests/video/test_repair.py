"""Repaired copies hold the same frames, and nothing that is there already is touched."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import VideoError, WriteError
from lightning_pose.contracts.file_locks import FileLock
from lightning_pose.video import repair as repair_module
from lightning_pose.video.decode import Decoder
from lightning_pose.video.preflight import preflight
from lightning_pose.video.repair import TOLERANCE, repair
from lightning_pose.video.video_problems import Cure
from tests.video.corpus import encode, read_number
from tests.video.corpus_more import EVERY, NEVER_READABLE

Corpus = Callable[[str], Path]

COPIED = ["really_avi.mp4", "really_mkv.avi", "two_tracks.mp4", "two_tracks.mkv"]
ENCODED = [
    "uneven.mkv",
    "edit_list.mp4",
    "turned_90.mp4",
    "prores.mov",
    "grey16.mkv",
    "same_times.mkv",
    "joined.ts",
    "stream.h264",
    "spoilt.mkv",
    "cut.mp4",
    "no_first_key.ts",
]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def numbers_in(path: Path) -> list[int]:
    return [read_number(picture.pixels) for picture in Decoder(path)]


def check_copy(source: Path, folder: Path) -> Cure:
    """Repair a video and compare the copy with it; return how it was made."""
    before = digest(source)
    made = repair(source, folder, stem="copy")
    assert made is not None
    assert digest(source) == before
    assert [file.name for file in folder.iterdir()] == [made.path.name]
    assert numbers_in(made.path) == numbers_in(source)
    after = preflight(made.path)
    assert (after.error, after.problems, after.num_frames) == (None, (), made.num_frames)
    assert made.difference is not None
    if made.how is Cure.ENCODE:
        assert (after.codec, after.pixel_format, after.rotation) == ("h264", "yuv420p", 0)
        assert after.variable_rate is False
        assert (after.key_frame_gap or 0) <= max(round(preflight(source).fps), 1)
        assert 0 < made.difference <= TOLERANCE
    else:
        assert made.difference == 0
    return made.how


@pytest.mark.parametrize("name", COPIED)
def test_where_the_container_is_at_fault_pictures_are_copied(
    corpus: Corpus, tmp_path: Path, name: str
) -> None:
    assert check_copy(corpus(name), tmp_path / "out") is Cure.COPY


@pytest.mark.parametrize("name", ENCODED)
def test_other_videos_are_encoded_anew(corpus: Corpus, tmp_path: Path, name: str) -> None:
    assert check_copy(corpus(name), tmp_path / "out") is Cure.ENCODE


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(EVERY) - NEVER_READABLE))
def test_every_awkward_video_is_repaired_or_needs_no_repair(
    corpus: Corpus, tmp_path: Path, name: str
) -> None:
    if preflight(corpus(name)).cure is not Cure.NONE:
        check_copy(corpus(name), tmp_path / "out")


def test_packets_that_do_not_do_elsewhere_are_encoded_anew(corpus: Corpus, tmp_path: Path) -> None:
    source = corpus("really_b_frames.mp4")  # AVI holds no display times, and MP4 needs them
    assert preflight(source).cure is Cure.COPY
    assert check_copy(source, tmp_path / "out") is Cure.ENCODE


def test_a_turned_video_is_upright_in_its_copy(corpus: Corpus, tmp_path: Path) -> None:
    made = repair(corpus("turned_90.mp4"), tmp_path)
    assert made is not None
    one, other = (next(iter(Decoder(p))).pixels for p in (corpus("turned_90.mp4"), made.path))
    assert np.abs(one.astype(int) - other).mean() < TOLERANCE


def test_an_odd_size_grows_by_a_pixel(tmp_path: Path) -> None:
    source = encode(tmp_path / "odd.mkv", range(5), codec="ffv1", pix_fmt="gray16", size=(113, 81))
    made = repair(source, tmp_path / "out")
    assert made is not None
    after = preflight(made.path)
    assert (after.width, after.height) == (114, 82)
    assert numbers_in(made.path) == list(range(5))


@pytest.mark.parametrize("name", ["plain.mp4", "interlaced.ts"])
def test_where_no_copy_would_help_there_is_none(corpus: Corpus, tmp_path: Path, name: str) -> None:
    assert repair(corpus(name), tmp_path / "out") is None
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["cut_index.mp4", "two_sizes.ts", "sound.mp4"])
def test_what_cannot_be_read_is_not_repaired(corpus: Corpus, tmp_path: Path, name: str) -> None:
    with pytest.raises(VideoError, match=name.split(".")[0]):
        repair(corpus(name), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_copy_that_is_there_is_kept(corpus: Corpus, tmp_path: Path) -> None:
    first = repair(corpus("uneven.mp4"), tmp_path)
    assert first is not None
    before = first.path.stat().st_mtime_ns
    second = repair(corpus("uneven.mp4"), tmp_path)
    assert second is not None
    assert second.difference is None
    assert second.num_frames == first.num_frames
    assert first.path.stat().st_mtime_ns == before


def test_a_spoilt_copy_is_made_again(corpus: Corpus, tmp_path: Path) -> None:
    first = repair(corpus("uneven.mp4"), tmp_path)
    assert first is not None
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[: len(whole) * 2 // 3])
    second = repair(corpus("uneven.mp4"), tmp_path)
    assert second is not None
    assert second.difference is not None
    assert len(numbers_in(second.path)) == first.num_frames


def test_what_a_killed_process_left_is_deleted_and_who_is_at_work_is_left_alone(
    corpus: Corpus, tmp_path: Path
) -> None:
    left = tmp_path / "..ten_bit.13132.13132.tmp.13132.tmp.mp4"
    left.write_bytes(b"half")
    claim = FileLock(tmp_path / ".ten_bit.litpose-claim", leave_file=False)
    assert claim.take() == ""
    with pytest.raises(WriteError, match=r"ten_bit\.mp4 is being written by process \d+ on"):
        repair(corpus("ten_bit.mp4"), tmp_path)
    assert left.exists()
    claim.release()
    assert repair(corpus("ten_bit.mp4"), tmp_path) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["ten_bit.mp4"]


def test_other_files_are_never_replaced(corpus: Corpus, tmp_path: Path) -> None:
    source = shutil.copy(corpus("uneven.mp4"), tmp_path / "mouse.mp4")
    before = digest(source)
    with pytest.raises(WriteError, match="would replace it"):
        repair(source, tmp_path)
    link = tmp_path / "links" / "mouse.mp4"
    link.parent.mkdir()
    link.symlink_to(source)
    with pytest.raises(WriteError, match="would replace it"):
        repair(source, link.parent)
    for other in ("plain.mp4", "text.mp4"):
        taken = tmp_path / "out" / "mouse.mp4"
        taken.parent.mkdir(exist_ok=True)
        shutil.copy(corpus(other), taken)
        with pytest.raises(WriteError, match="no repaired copy of"):
            repair(source, taken.parent)
        assert taken.read_bytes() == corpus(other).read_bytes()
    assert digest(source) == before


def test_a_copy_of_another_video_is_not_replaced(corpus: Corpus, tmp_path: Path) -> None:
    repair(corpus("uneven.mp4"), tmp_path, stem="mouse")
    with pytest.raises(WriteError, match="no repaired copy of"):
        repair(corpus("edit_list.mp4"), tmp_path, stem="mouse")


def test_a_copy_that_differs_too_much_is_not_kept(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair_module, "TOLERANCE", 0.01)
    with pytest.raises(VideoError, match="frame 0 differs by"):
        repair(corpus("uneven.mp4"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_copy_that_lacks_frames_is_not_kept(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(repair_module.VideoWriter):
        def write(self, frame: np.ndarray, *, pts: int | None = None) -> None:
            if read_number(frame) != 33:
                super().write(frame, pts=pts)

    monkeypatch.setattr(repair_module, "VideoWriter", Forgetful)
    with pytest.raises(VideoError, match="not what it should be"):
        repair(corpus("ten_bit.mp4"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_none_is_told(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(WriteError, match="is a file"):
        repair(corpus("uneven.mp4"), tmp_path / "out")


def test_progress_is_told_of_every_stage(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    told: dict[str, tuple[int, int | None]] = {}
    repair(
        corpus("uneven.mkv"),
        tmp_path,
        on_progress=lambda stage, done, total: told.update({stage: (done, total)}),
    )
    assert set(told) == {"counting", "encoding", "comparing", "checking"}
    assert {done for done, _ in told.values()} == {60}
