"""What changes while it is predicted leaves no row behind, and what is gone costs none."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av.error
import numpy as np
import pytest
from PIL import Image

from lightning_pose.contracts.errors import DataError, UnreadableError, VideoError
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference import session
from lightning_pose.inference.inputs import Input, expand_inputs
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.predict_files import predict_files
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.session import PredictSettings
from lightning_pose.inference.watch import Watch
from lightning_pose.video import segments
from lightning_pose.video.batching import checked_batch_size
from tests.inference.test_pipeline import number_model
from tests.video.corpus import NUM_FRAMES

Corpus = Callable[[str], Path]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 8)
    monkeypatch.setattr(segments, "_REACH", 4)
    monkeypatch.setattr("lightning_pose.inference.work.SEGMENT_FRAMES", 8)


def predict(source: Path, out: Path) -> Outcome:
    settings = PredictSettings(batch_size=4)
    (outcome,) = predict_files(number_model(), expand_inputs([source]), out=out, settings=settings)
    return outcome


@pytest.fixture
def once_some_are_kept(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Return what has something happen after the first rows are kept."""
    add, happened = RowStore.add, threading.Event()

    def make(happen: Callable[[], object]) -> None:
        def add_then(self: RowStore, *rows: Any) -> None:
            add(self, *rows)
            if not happened.is_set():
                happened.set()
                happen()

        monkeypatch.setattr(RowStore, "add", add_then)

    return make


@pytest.fixture
def video(corpus: Corpus, tmp_path: Path) -> Path:
    return shutil.copy(corpus("gop10.mp4"), tmp_path / "v.mp4")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(40):
        Image.new("RGB", (16, 16), (number, number, number)).save(folder / f"{number:02}.png")
    return folder


Happening = Callable[[Callable[[], object]], None]


def test_a_video_that_is_replaced_and_then_gone_leaves_no_row_of_another(
    corpus: Corpus, video: Path, tmp_path: Path, once_some_are_kept: Happening
) -> None:
    other = corpus("plain.mp4")
    once_some_are_kept(lambda: shutil.copy(other, video))
    outcome = predict(video, tmp_path / "out")
    assert "v.mp4 was changed while it was predicted" in str(outcome.failed)
    assert not list((tmp_path / "out").glob("*"))
    assert not list((tmp_path / "out").glob(".*rows"))


def test_a_video_that_is_gone_keeps_the_rows_it_had(
    video: Path, tmp_path: Path, once_some_are_kept: Happening
) -> None:
    away = video.with_name("away")
    once_some_are_kept(lambda: video.rename(away))
    outcome = predict(video, tmp_path / "out")
    assert isinstance(outcome.failed, UnreadableError)
    assert f"{video} cannot be read: No such file" in str(outcome.failed)
    away.rename(video)
    outcome = predict(video, tmp_path / "out")
    assert outcome.failed is None
    assert 0 < outcome.num_predicted < outcome.num_frames == NUM_FRAMES


def test_a_video_that_is_touched_only_is_the_same(
    video: Path, tmp_path: Path, once_some_are_kept: Happening
) -> None:
    once_some_are_kept(lambda: os.utime(video, (1, 1)))
    outcome = predict(video, tmp_path / "out")
    assert outcome.failed is None
    assert outcome.num_frames == NUM_FRAMES


def test_boxes_that_change_leave_no_row(
    video: Path, tmp_path: Path, once_some_are_kept: Happening
) -> None:
    boxes = video.with_name("v_bbox.csv")
    boxes.write_text("x,y,h,w\n" + "0,0,40,40\n" * NUM_FRAMES)
    once_some_are_kept(lambda: boxes.write_text("x,y,h,w\n" + "0,0,30,40\n" * NUM_FRAMES))
    outcome = predict(video, tmp_path / "out")
    assert "v_bbox.csv was changed while it was predicted" in str(outcome.failed)
    assert not list((tmp_path / "out").glob(".*rows"))


def test_a_video_that_is_gone_before_it_is_opened_keeps_its_rows(
    video: Path, tmp_path: Path, once_some_are_kept: Happening
) -> None:
    away, out = video.with_name("away"), tmp_path / "out"
    once_some_are_kept(lambda: video.rename(away))
    predict(video, out)
    away.rename(video)

    def take_away(_: tuple[Input, ...]) -> None:
        video.rename(away)

    (outcome,) = predict_files(number_model(), expand_inputs([video]), out=out, on_start=take_away)
    assert isinstance(outcome.failed, UnreadableError)
    assert list(out.glob(".*rows"))


def unplugged(*_: object, **__: object) -> Any:
    raise OSError(errno.EIO, "Input/output error")


def unplugged_in_ffmpeg(*_: object, **__: object) -> Any:
    raise av.error.OSError(errno.EIO, "Input/output error", "v.mp4")


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("lightning_pose.video.info.av.open", unplugged_in_ffmpeg),
        ("lightning_pose.video.info.packets_of", unplugged_in_ffmpeg),
        ("lightning_pose.video.info.lacks_index", unplugged),
        ("lightning_pose.data.bboxes.read_cells", unplugged),
    ],
)
def test_a_disk_that_is_gone_when_a_video_is_opened_costs_no_rows(
    video: Path,
    tmp_path: Path,
    once_some_are_kept: Happening,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    error: Any,
) -> None:
    out, away = tmp_path / "out", video.with_name("away")
    video.with_name("v_bbox.csv").write_text("x,y,h,w\n" + "0,0,40,40\n" * NUM_FRAMES)
    once_some_are_kept(lambda: video.rename(away))
    predict(video, out)
    away.rename(video)
    os.utime(video, (1, 1))  # what is known of it is looked up again
    with monkeypatch.context() as patch:
        if what.endswith("lacks_index"):
            patch.setattr("lightning_pose.video.info.av.open", unplugged_in_ffmpeg)
        patch.setattr(what, error)
        outcome = predict(video, out)
    assert isinstance(outcome.failed, UnreadableError)
    assert list(out.glob(".*rows"))
    outcome = predict(video, out)
    assert outcome.failed is None
    assert 0 < outcome.num_predicted < outcome.num_frames


def test_images_that_change_leave_no_row(
    images: Path, tmp_path: Path, once_some_are_kept: Happening
) -> None:
    def change() -> None:
        for path in images.iterdir():
            Image.new("RGB", (16, 16), (200, 0, 0)).save(path)

    once_some_are_kept(change)
    outcome = predict(images, tmp_path / "out")
    assert ".png was changed while it was predicted" in str(outcome.failed)
    assert not list((tmp_path / "out").glob("*"))
    assert not list((tmp_path / "out").glob(".*rows"))


def test_images_that_are_gone_keep_the_rows_they_had(
    images: Path, tmp_path: Path, once_some_are_kept: Happening
) -> None:
    away = images.with_name("away")
    once_some_are_kept(lambda: images.rename(away))
    outcome = predict(images, tmp_path / "out")
    assert isinstance(outcome.failed, UnreadableError)
    assert "No such file" in str(outcome.failed) or "no such image" in str(outcome.failed)
    away.rename(images)
    outcome = predict(images, tmp_path / "out")
    assert outcome.failed is None
    assert 0 < outcome.num_predicted < outcome.num_frames == 40
    found = Predictions.read(tmp_path / "out" / "images.csv")
    assert len(found.xy_img) == 40


def test_a_label_file_that_changes_is_not_written(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / "labels.csv"
    rows = ["scorer,s,s", "bodyparts,number,number", "coords,x,y"]
    rows += [f"images/{path.name},1,1" for path in sorted(images.iterdir())]
    labels.write_text("\n".join(rows) + "\n")
    add = RowStore.add

    def change_then_add(self: RowStore, *new: Any) -> None:
        Image.new("RGB", (16, 16), (200, 0, 0)).save(images / "07.png")
        add(self, *new)

    monkeypatch.setattr(RowStore, "add", change_then_add)
    outcome = predict(labels, tmp_path / "out")
    assert "was changed while it was predicted" in str(outcome.failed)
    assert not list((tmp_path / "out").glob("*.csv"))


def test_a_label_file_that_is_saved_while_it_is_read_is_refused(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / "labels.csv"
    head = "scorer,s,s\nbodyparts,number,number\ncoords,x,y\n"
    labels.write_text(f"{head}images/00.png,1,1\n")
    read = session.read_labels

    def read_then_save(*args: Any, **kwargs: Any) -> Any:
        found = read(*args, **kwargs)
        labels.write_text(f"{head}images/01.png,1,1\n")
        return found

    monkeypatch.setattr(session, "read_labels", read_then_save)
    outcome = predict(labels, tmp_path / "out")
    assert "labels.csv was changed while it was predicted" in str(outcome.failed)
    assert not list((tmp_path / "out").glob("*"))


def test_boxes_that_come_too_late_are_not_used(video: Path, tmp_path: Path) -> None:
    def put_boxes(_: tuple[Input, ...]) -> None:
        video.with_name("v_bbox.csv").write_text("x,y,h,w\n" + "9,9,9,9\n" * NUM_FRAMES)

    one, other = tmp_path / "one", tmp_path / "other"
    predict(video, one)
    list(predict_files(number_model(), expand_inputs([video]), out=other, on_start=put_boxes))
    assert (one / "v.csv").read_bytes() == (other / "v.csv").read_bytes()
    assert "of another model, version or setting" in str(predict(video, other).failed)


def test_a_pipe_in_the_place_of_boxes_is_refused(video: Path, tmp_path: Path) -> None:
    os.mkfifo(video.with_name("v_bbox.csv"))
    outcome = predict(video, tmp_path / "out")
    assert isinstance(outcome.failed, DataError)
    assert "v_bbox.csv cannot be read: it is no file." in str(outcome.failed)


def test_only_what_is_asked_for_is_looked_at(
    images: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted(images.iterdir())
    watch = Watch([files, [video]], [])
    looked: list[str] = []
    stat = Path.stat

    def look(self: Path, **how: Any) -> os.stat_result:
        looked.append(self.name)
        return stat(self, **how)

    monkeypatch.setattr(Path, "stat", look)
    watch.check(np.array([3, 4, 7]))
    assert looked == ["03.png", "04.png", "07.png", "v.mp4"]


def test_what_cannot_be_read_is_named(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unplugged(_: Path) -> Iterator[bytes]:
        yield b""
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("lightning_pose.contracts.files._samples", unplugged)
    with pytest.raises(UnreadableError, match=r"v\.mp4 cannot be read: Input/output error\."):
        Watch([[video]], [])


@pytest.mark.parametrize("size", [0, -3, 1.5, "4"])
def test_impossible_batches_are_told(size: object) -> None:
    with pytest.raises(VideoError, match="at least one frame, got"):
        checked_batch_size(size)


def test_an_impossible_batch_is_told_before_anything_is_read() -> None:
    with pytest.raises(VideoError, match="at least one frame, got"):
        PredictSettings(batch_size=0)


def test_a_batch_may_be_any_whole_number() -> None:
    assert [type(checked_batch_size(size)) for size in (3, np.int64(3), True)] == [int] * 3
