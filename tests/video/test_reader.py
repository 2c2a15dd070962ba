"""Frames come in batches with their numbers and neighbours, from a thread that ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_pose.contracts.errors import ConfigError, VideoError
from lightning_pose.contracts.registry import READERS
from lightning_pose.video import reader as reader_module
from lightning_pose.video.background import in_background
from lightning_pose.video.batching import in_batches
from lightning_pose.video.nvdec_reader import NvdecReader
from lightning_pose.video.pyav_reader import PyAVReader
from lightning_pose.video.reader import open_reader
from tests.video.corpus import NUM_FRAMES, read_number

Corpus = Callable[[str], Path]


def numbers_in(frames: torch.Tensor) -> list[int]:
    return [read_number(frame.numpy()) for frame in frames]


@pytest.mark.parametrize("batch_size", [1, 7, 59, 60, 61])
@pytest.mark.parametrize("halo", [0, 1, 2])
def test_each_frame_is_to_be_predicted_once(corpus: Corpus, batch_size: int, halo: int) -> None:
    reader = open_reader(corpus("gop10.mp4"), batch_size=batch_size, halo=halo)
    seen: list[int] = []
    for raw in reader:
        n = len(raw.frame_ids)
        assert n <= batch_size
        assert numbers_in(raw.frames)[halo : halo + n] == raw.frame_ids.tolist()
        seen += raw.frame_ids.tolist()
    assert seen == list(range(NUM_FRAMES))
    assert reader.num_frames == NUM_FRAMES


@pytest.mark.parametrize("batch_size", [1, 2, 3, 59, 100])
def test_neighbours_are_right_and_the_edge_frame_is_repeated(
    corpus: Corpus, batch_size: int
) -> None:
    halo, last = 2, NUM_FRAMES - 1
    for raw in open_reader(corpus("gop10.mp4"), batch_size=batch_size, halo=halo):
        first, end = int(raw.frame_ids[0]), int(raw.frame_ids[-1])
        expected = [min(max(i, 0), last) for i in range(first - halo, end + halo + 1)]
        assert numbers_in(raw.frames) == expected


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_videos_shorter_than_the_halo_are_read(length: int) -> None:
    frames = [np.full((4, 6, 3), i, dtype=np.uint8) for i in range(length)]
    batches = list(in_batches(frames, batch_size=2, halo=2))
    assert torch.cat([raw.frame_ids for raw in batches]).tolist() == list(range(length))
    for raw in batches:
        start = int(raw.frame_ids[0])
        wanted = [
            min(max(i, 0), length - 1) for i in range(start - 2, start + len(raw.frame_ids) + 2)
        ]
        assert raw.frames[:, 0, 0, 0].tolist() == wanted


def test_batches_do_not_share_memory() -> None:
    frames = [np.full((2, 2, 3), i, dtype=np.uint8) for i in range(6)]
    first, *_ = batches = list(in_batches(frames, batch_size=2, halo=1))
    first.frames.fill_(99)
    assert all((raw.frames != 99).all() for raw in batches[1:])


def test_why_videos_are_not_decoded_on_the_gpu_is_said_once(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    why = "NVDEC cannot be used here: no driver."
    monkeypatch.setattr(NvdecReader, "usable", lambda *_, **__: why)
    monkeypatch.setattr(reader_module, "_told", set())
    with caplog.at_level("INFO"):
        for device in ("cpu", "cuda", "cuda:1"):
            for name in ("plain.mp4", "gop10.mp4"):
                open_reader(corpus(name), batch_size=8, device=device)
    assert [record.getMessage() for record in caplog.records] == [
        f"plain.mp4 is decoded on the CPU, as is every video of which the same holds: {why}"
    ]


def test_problems_are_known_after_reading(corpus: Corpus) -> None:
    reader = open_reader(corpus("spoilt.avi"), batch_size=8)
    assert reader.problems == ()
    assert sum(len(raw.frame_ids) for raw in reader) == reader.num_frames == NUM_FRAMES - 1
    assert len(reader.problems) == 1


def test_an_error_while_decoding_reaches_the_reader(corpus: Corpus) -> None:
    reader = open_reader(corpus("two_sizes.ts"), batch_size=8)
    with pytest.raises(VideoError, match="frame 60"):
        list(reader)


def test_the_thread_ends_when_reading_is_broken_off(corpus: Corpus) -> None:
    before = threading.active_count()
    for _ in open_reader(corpus("plain.mp4"), batch_size=2):
        break
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_working_ahead_is_bounded() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    ahead = in_background((n for n in numbers()), ahead=3)
    assert next(ahead) == 0
    time.sleep(0.3)
    assert len(made) <= 6  # one taken, three waiting, one in hand, one being made
    ahead.close()


def test_the_source_is_closed_when_the_consumer_goes() -> None:
    closed = threading.Event()

    def endless() -> Generator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    ahead = in_background(endless(), ahead=1)
    next(ahead)
    ahead.close()
    assert closed.wait(5)


def test_readers_are_found_by_name(corpus: Corpus) -> None:
    assert "pyav" in READERS
    opened = open_reader(corpus("plain.mp4"), batch_size=4, name="pyav")
    assert opened.info.num_frames == NUM_FRAMES
    with pytest.raises(ConfigError, match="Did you mean 'pyav'"):
        open_reader(corpus("plain.mp4"), batch_size=4, name="pyaw")


def test_the_best_usable_reader_is_taken(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    class Better(PyAVReader):
        priority = 10
        reason: str | None = None

        @classmethod
        def usable(cls, video: Path, *, device: torch.device | str = "cpu") -> str | None:
            return cls.reason

    READERS.names()
    monkeypatch.setattr(READERS, "_entries", dict(READERS._entries))
    READERS.register("better")(Better)
    path = corpus("plain.mp4")
    assert isinstance(open_reader(path, batch_size=4), Better)
    monkeypatch.setattr(Better, "reason", "It has no licence.")
    assert type(open_reader(path, batch_size=4)).__name__ == "PyAVReader"
    with pytest.raises(VideoError, match="'better': It has no licence"):
        open_reader(path, batch_size=4, name="better")


@pytest.mark.parametrize(("batch_size", "halo"), [(0, 0), (4, -1)])
def test_impossible_batches_are_refused(corpus: Corpus, batch_size: int, halo: int) -> None:
    with pytest.raises(VideoError, match=r"at least one frame|at least 0 frames"):
        open_reader(corpus("plain.mp4"), batch_size=batch_size, halo=halo)
