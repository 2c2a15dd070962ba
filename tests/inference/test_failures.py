"""What fails costs one video, whatever failed, and nobody waits for what is long in coming."""

from __future__ import annotations

import errno
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_pose.contracts.errors import FaultError, ModelError, VideoError, WriteError
from lightning_pose.inference.failures import failure_of, not_claimed
from lightning_pose.inference.inputs import Input, expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.outputs import OutputSettings
from lightning_pose.inference.pipeline import Pipeline
from lightning_pose.inference.predict_files import predict_files
from lightning_pose.inference.result_job import ResultJob
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.session import PredictSettings, Session
from lightning_pose.inference.work import Work
from lightning_pose.video import segments
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.pyav_reader import PyAVReader
from lightning_pose.video.segments import DamagedError
from tests.inference.test_pipeline import number_model, numbers, work_on
from tests.video.corpus import NUM_FRAMES

Corpus = Callable[[str], Path]
OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory.")
EASY = ("gop10.mp4", "plain.mp4", "plain.mkv")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 8)
    monkeypatch.setattr(segments, "_REACH", 4)


@pytest.fixture(params=[1, 2])
def cores(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def check_first_alone_fails(
    works: list[Work], pipeline: Pipeline, kind: type[Exception], said: str
) -> None:
    ended = list(pipeline.run(works))
    assert len(ended) == len(works)
    failed = {id(getattr(one, "work", one)): one.failed for one in ended}
    assert isinstance(failed[id(works[0])], kind)
    assert said in str(failed[id(works[0])])
    for work in works[1:]:
        assert failed[id(work)] is None
        assert numbers(work) == list(range(NUM_FRAMES))


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_for_one_video(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    model = number_model()
    works = [work_on(model, corpus(name)) for name in ("gop10.mp4", "plain.mp4", "plain.mkv")]
    file = type("Full", (), {"seek": works[0].store._file.seek, "write": full})()
    monkeypatch.setattr(works[0].store, "_file", file)
    check_first_alone_fails(works, model.pipeline(), WriteError, "the disk is full")


def test_a_disk_that_is_full_when_a_damaged_video_begins_anew(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(self: PyAVReader, parts: object) -> Iterator[object]:
        raise DamagedError("frame 0 cannot be had by its number")
        yield

    def clear(store: RowStore, **_: bool) -> None:
        raise WriteError("no more space")

    model = number_model()
    monkeypatch.setattr(PyAVReader, "read", damaged)
    monkeypatch.setattr(RowStore, "clear", clear)
    works = [work_on(model, corpus(name)) for name in ("gop10.mp4", "plain.mkv")]
    check_first_alone_fails(works, model.pipeline(), WriteError, "no more space")


def test_what_failed_keeps_no_frames(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, made = PyAVReader.read, list[weakref.ref[torch.Tensor]]()

    def broken(self: PyAVReader, parts: list[segments.Segment]) -> Iterator[RawFrames]:
        for raw in read(self, parts):
            made.append(weakref.ref(raw.frames))
            yield raw
            raise VideoError("the disk is gone")

    monkeypatch.setattr(PyAVReader, "read", broken)
    inputs = expand_inputs([corpus("gop10.mp4"), corpus("plain.mp4")])
    gc.disable()  # what has to go, goes at once
    try:
        outcomes = list(predict_files(number_model(), inputs, out=tmp_path))
        assert len(made) > 1
        assert not [frames for it in made if (frames := it()) is not None]
    finally:
        gc.enable()
    assert [str(outcome.failed) for outcome in outcomes] == ["the disk is gone"] * 2


def break_down(owner: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a method fail, in a way that nobody foresaw, wherever gop10.mp4 is concerned."""
    sound = getattr(owner, name)

    def fail(self: Any, *args: Any, **kwargs: Any) -> Any:
        about = getattr(self, "info", None) or getattr(self, "session", self).inputs[0]
        if about.path.name == "gop10.mp4":
            raise IndexError("list index out of range")
        return sound(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, fail)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Session, "identity"),
        (Session, "open"),
        (PyAVReader, "read"),
        (Session, "check_unchanged"),
        (ResultJob, "_write"),
    ],
)
def test_what_nobody_foresaw_costs_its_input_alone(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    break_down(owner, name, monkeypatch)
    model, out = number_model(), tmp_path / "out"
    inputs = expand_inputs([corpus(video) for video in EASY])
    told = {one.inputs[0].path.name: one.failed for one in predict_files(model, inputs, out=out)}
    assert told == {EASY[0]: told[EASY[0]], EASY[1]: None, EASY[2]: None}
    assert isinstance(told[EASY[0]], FaultError)
    assert str(told[EASY[0]]).startswith("IndexError: list index out of range. This is a fault")
    kept = out / ".gop10.litpose-rows"  # for another version of ours, if anything was predicted
    assert kept.exists() == (name in ("check_unchanged", "_write"))
    monkeypatch.undo()
    again = {one.inputs[0].path.name: one for one in predict_files(model, inputs, out=out)}
    assert not any(one.failed for one in again.values())
    assert again[EASY[0]].num_frames == NUM_FRAMES
    assert not list(out.glob(".*litpose-rows"))


def test_what_nobody_foresaw_when_it_is_looked_at_first(corpus: Corpus, tmp_path: Path) -> None:
    def look(items: tuple[Input, ...]) -> None:
        if items[0].path.name == EASY[0]:
            raise IndexError("list index out of range")

    inputs = expand_inputs([corpus(video) for video in EASY])
    for _ in range(2):  # predicted, and skipped as they are there
        told = {
            one.inputs[0].path.name: one.failed
            for one in predict_files(number_model(), inputs, out=tmp_path, on_start=look)
        }
        assert isinstance(told.pop(EASY[0]), FaultError)
        assert told == {EASY[1]: None, EASY[2]: None}
        assert not list(tmp_path.glob(".*rows")) + list(tmp_path.glob(".*claim"))
        assert not (tmp_path / "gop10.csv").exists()


def test_a_file_that_nobody_foresaw_costs_no_other_file(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr("lightning_pose.inference.products.write_predictions_csv", fail)
    wanted = OutputSettings(formats=("csv", "parquet"))
    inputs = expand_inputs([corpus(EASY[0])])
    (outcome,) = predict_files(number_model(), inputs, out=tmp_path, outputs=wanted)
    assert isinstance(outcome.failed, FaultError)
    assert [path.name for path in outcome.files] == ["gop10.parquet"]


def test_a_video_that_cannot_be_looked_at_in_the_end_keeps_its_rows(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = Session.check_unchanged

    def gone(self: Session) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("lightning_pose.inference.watch.sampled_sha256", unplugged)
            sound(self)

    inputs, model = expand_inputs([corpus(EASY[0])]), number_model()
    with monkeypatch.context() as patch:
        patch.setattr(Session, "check_unchanged", gone)
        (outcome,) = predict_files(model, inputs, out=tmp_path)
    assert "Input/output error" in str(outcome.failed)
    monkeypatch.setattr(PyAVReader, "_read", None)  # nothing is predicted again
    (outcome,) = predict_files(model, inputs, out=tmp_path)
    assert outcome.failed is None
    assert (outcome.num_frames, outcome.num_predicted) == (NUM_FRAMES, 0)


def unplugged(*_: object, **__: object) -> Any:
    raise OSError(errno.EIO, "Input/output error")


def test_a_disk_that_is_gone_while_a_video_is_read_costs_no_rows(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, add, some_added = PyAVReader._read, RowStore.add, threading.Event()

    def lost(self: PyAVReader, parts: list[segments.Segment]) -> Iterator[RawFrames]:
        for raw in read(self, parts):
            yield raw
            if raw.frame_ids[0] >= 40:
                assert some_added.wait(20)
                unplugged()

    def add_and_say(self: RowStore, *rows: Any) -> None:
        add(self, *rows)
        some_added.set()

    inputs, model = expand_inputs([corpus(EASY[0])]), number_model()
    with monkeypatch.context() as patch:
        patch.setattr(PyAVReader, "_read", lost)
        patch.setattr(RowStore, "add", add_and_say)
        settings = PredictSettings(batch_size=4)
        (outcome,) = predict_files(model, inputs, out=tmp_path, settings=settings)
    assert "gop10.mp4 can no longer be read: Input/output error." in str(outcome.failed)
    (outcome,) = predict_files(model, inputs, out=tmp_path)
    assert outcome.failed is None
    assert outcome.num_predicted < outcome.num_frames == NUM_FRAMES


def test_a_gpu_that_gives_up_the_process_ends_the_batch(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = number_model()

    def given_up(batch: Any) -> Any:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(model.tracker, "predict_batch", given_up)
    inputs = expand_inputs([corpus(video) for video in EASY])
    with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
        list(predict_files(model, inputs, out=tmp_path))


def test_a_fault_that_is_kept_keeps_words_alone(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_down(Session, "open", monkeypatch)
    inputs = expand_inputs([corpus(EASY[0])])
    (outcome,) = predict_files(number_model(), inputs, out=tmp_path)
    assert isinstance(outcome.failed, FaultError)
    assert outcome.failed.__cause__ is not None
    assert outcome.failed.__cause__.__traceback__ is None


def test_where_a_fault_arose_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    try:
        list[int]()[0]
    except IndexError as error:
        failure_of(error)
    assert "list[int]()[0]" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
)
def test_a_computer_whose_memory_is_too_small(error: Exception) -> None:
    told = failure_of(error)
    assert isinstance(told, ModelError)
    assert "memory of this computer is too small for this batch" in str(told)


def test_a_claim_that_another_user_left_is_named(tmp_path: Path) -> None:
    refused = PermissionError(errno.EACCES, "Permission denied")
    claim = tmp_path / ".day.litpose-claim"
    assert str(not_claimed(claim, refused)).startswith(f"{tmp_path} cannot be written")
    claim.touch()
    assert str(not_claimed(claim, refused)).startswith(f"{claim} cannot be written")
    assert "if nobody does any more, delete it" in str(not_claimed(claim, refused))


def test_a_gpu_whose_memory_is_too_small_for_one_video(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    model = number_model()
    works = [work_on(model, corpus(name), size=7 - i) for i, name in enumerate(EASY)]
    predict = model.tracker.predict_batch

    def too_large(batch: Any) -> Any:
        if len(batch.frames) == 7:
            raise OUT_OF_MEMORY
        return predict(batch)

    monkeypatch.setattr(model.tracker, "predict_batch", too_large)
    check_first_alone_fails(works, model.pipeline(), ModelError, "--batch-size")


def test_a_gpu_whose_memory_is_too_small_to_decode_one_video(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = PyAVReader.read

    def too_large(self: PyAVReader, parts: Any) -> Iterator[object]:
        if self.info.path.name == "gop10.mp4":
            raise OUT_OF_MEMORY
        return read(self, parts)

    monkeypatch.setattr(PyAVReader, "read", too_large)
    model = number_model()
    works = [work_on(model, corpus(name)) for name in EASY]
    check_first_alone_fails(works, model.pipeline(), ModelError, "memory of the GPU is too small")
    assert getattr(works[0].failed, "__cause__", None) is None  # it would hold frames on the GPU


def test_a_video_ends_while_the_next_one_is_long_in_coming(corpus: Corpus) -> None:
    model: Model = number_model()
    first, second = (work_on(model, corpus(name)) for name in EASY[:2])
    asked, ended = threading.Event(), threading.Event()

    def works() -> Iterator[Work]:
        yield first
        asked.set()
        assert ended.wait(20), "the first did not end while the second was awaited"
        yield second

    def tell(work: Work, progress: object) -> None:
        if work is first and work.taken > NUM_FRAMES // 2:
            asked.wait(20)  # a decoding thread is at it from now on

    for _ in Pipeline(model._network, decoders=2).run(works(), tell):
        ended.set()
    assert numbers(first) == numbers(second) == list(range(NUM_FRAMES))
