"""Several stretches and several videos at a time, and nothing lost between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_pose.contracts.errors import FaultError, VideoError
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.decoding import Decoding
from lightning_pose.inference.model import Model
from lightning_pose.inference.pipeline import Pipeline
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.work import Source, Work
from lightning_pose.video import segments
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.pyav_reader import PyAVReader
from lightning_pose.video.segments import DamagedError
from tests.inference.number_tracker import number_tracker
from tests.video.corpus import NUM_FRAMES

Corpus = Callable[[str], Path]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 8)
    monkeypatch.setattr(segments, "_REACH", 4)


def number_model(*, context: bool = False) -> Model:
    exact = Compute.choose(device="cpu", precision="fp32")
    return Model(number_tracker(context=context), compute=exact)


def work_on(model: Model, video: Path, store: RowStore | None = None, *, size: int = 5) -> Work:
    store = store or RowStore(None, key="k", keypoint_names=model.keypoint_names)
    reader = PyAVReader(video, batch_size=size, halo=model.data_spec.halo)
    return model.work(Source(readers=(reader,), boxes=(None,), batch_size=size), store)


def numbers(work: Work) -> list[float]:
    return work.store.views()[0].xy_img[:, 0, 0].tolist()


@pytest.mark.parametrize("context", [False, True])
def test_each_row_is_its_frame(corpus: Corpus, context: bool) -> None:
    model = number_model(context=context)
    works = [work_on(model, corpus(name)) for name in ("plain.mp4", "gop10.mp4", "plain.mkv")]
    assert [len(work.segments) > 3 for work in works] == [True, True, False]
    finished = list(model.pipeline().run(works))
    assert set(finished) == set(works)
    assert [one.failed for one in finished] == [None] * 3
    assert all(numbers(work) == list(range(NUM_FRAMES)) for work in works)


def test_what_is_there_is_not_read_again(corpus: Corpus, tmp_path: Path) -> None:
    model = number_model()
    store = RowStore(tmp_path / "rows", key="k", keypoint_names=model.keypoint_names)
    work = work_on(model, corpus("gop10.mp4"), store)
    there = work.segments[1]
    ids = np.arange(there.start, there.stop)
    made_up = np.full((len(there), 2, 2), -5, dtype=np.float32)
    store.add(ids, made_up, np.ones((len(there), 2), dtype=np.float32))
    work = work_on(model, corpus("gop10.mp4"), store)
    (finished,) = model.pipeline().run([work])
    assert finished.failed is None
    expected = [-5.0 if number in ids else float(number) for number in range(NUM_FRAMES)]
    assert numbers(work) == expected


def test_a_video_without_index_goes_on_with_other_batches(corpus: Corpus, tmp_path: Path) -> None:
    model = number_model()
    store = RowStore(tmp_path / "rows", key="k", keypoint_names=model.keypoint_names)
    made_up = np.full((17, 2, 2), -5, dtype=np.float32)
    store.add(np.arange(17), made_up, np.ones((17, 2), dtype=np.float32))
    work = work_on(model, corpus("plain.mkv"), store, size=5)
    (finished,) = model.pipeline().run([work])
    assert finished.failed is None
    assert numbers(work) == [-5.0] * 17 + [float(number) for number in range(17, NUM_FRAMES)]


def test_a_damaged_stretch_has_the_video_read_as_a_whole(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = number_model()
    read = PyAVReader.read

    def broken(self: PyAVReader, parts: list[segments.Segment]) -> Iterator[RawFrames]:
        if parts[0].start >= 16:
            raise DamagedError("frame 16 cannot be had by its number")
        yield from read(self, parts)

    monkeypatch.setattr(PyAVReader, "read", broken)
    works = [work_on(model, corpus(name)) for name in ("plain.mp4", "gop10.mp4")]
    finished = list(model.pipeline().run(works))
    assert [one.failed for one in finished] == [None] * 2
    assert all(numbers(work) == list(range(NUM_FRAMES)) for work in works)
    assert works[1].segments == ()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_however_many_videos_are_damaged_there_are_no_more_threads(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    model = number_model()
    read, read_stretch = PyAVReader.read, Decoding._read
    reading, most, lock = [0], [0], threading.Lock()

    def broken(self: PyAVReader, parts: list[segments.Segment]) -> Iterator[RawFrames]:
        if parts[0].start >= 16:
            raise DamagedError("frame 16 cannot be had by its number")
        yield from read(self, parts)

    def counted(self: Decoding, *stretch: Any) -> bool:
        with lock:
            reading[0] += 1
            most[0] = max(most[0], reading[0])
        try:
            return read_stretch(self, *stretch)
        finally:
            with lock:
                reading[0] -= 1

    monkeypatch.setattr(PyAVReader, "read", broken)
    monkeypatch.setattr(Decoding, "_read", counted)
    works = [work_on(model, corpus("gop10.mp4")) for _ in range(10)]
    ended = list(Pipeline(model.pipeline()._network, decoders=threads).run(iter(works)))
    assert sorted(map(id, ended)) == sorted(map(id, works))
    assert [work.failed for work in works] == [None] * 10
    assert all(numbers(work) == list(range(NUM_FRAMES)) for work in works)
    assert most[0] == threads


def test_a_video_whose_damage_is_known_early_ends_once(corpus: Corpus) -> None:
    model = number_model()
    damaged, sound = (work_on(model, corpus("gop10.mp4")) for _ in range(2))
    decoding = Decoding([], threads=3)  # so that one does not take all of it
    decoding._to_read = [damaged, sound]
    assert decoding._stretch_of_works() is not None
    assert not damaged.all_taken
    decoding._reading = 3
    decoding._begin_as_a_whole(damaged, DamagedError("frame 16 cannot be had by its number"))
    assert decoding._to_read == [damaged, sound]
    assert damaged.attempt == 1


def test_a_video_that_fails_costs_no_other(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = number_model()
    read = PyAVReader.read

    def broken(self: PyAVReader, parts: list[segments.Segment]) -> Iterator[RawFrames]:
        if self.info.path.name == "gop10.mp4" and parts[0].start >= 16:
            raise VideoError("the disk is gone")
        yield from read(self, parts)

    monkeypatch.setattr(PyAVReader, "read", broken)
    names = ("gop10.mp4", "plain.mp4", "open_gop.mp4")
    works = [work_on(model, corpus(name)) for name in names]
    failed = {work: work.failed for work in model.pipeline().run(works)}
    assert [str(failed[work]) for work in works] == ["the disk is gone", "None", "None"]
    assert all(numbers(work) == list(range(NUM_FRAMES)) for work in works[1:])


def test_a_consumer_that_leaves_ends_the_threads(corpus: Corpus) -> None:
    model = number_model()
    works = [work_on(model, corpus("plain.mp4")) for _ in range(20)]
    before = threading.active_count()
    running = model.pipeline().run(works)
    next(running)
    running.close()
    assert threading.active_count() == before


def test_a_fault_of_ours_is_told_as_such(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    model = number_model()

    def faulty(self: PyAVReader, parts: object) -> Iterator[RawFrames]:
        raise ZeroDivisionError

    monkeypatch.setattr(PyAVReader, "read", faulty)
    with pytest.raises(
        FaultError, match=r"^ZeroDivisionError\. This is a fault of litpose"
    ) as told:
        model.predict_video(corpus("plain.mp4"))
    assert isinstance(told.value.__cause__, ZeroDivisionError)


def test_a_stretch_ends_before_an_entry(corpus: Corpus) -> None:
    work = work_on(number_model(), corpus("gop10.mp4"))
    first = work.next_stretch(3)
    second = work.next_stretch(3)
    assert first[0].start == 0
    assert second[0].start == first[-1].stop
    assert second[0].entry
