"""Several threads read sequences of many videos; small videos are decoded once and held."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video import sequence_pool
from lightning_pose.video.random_access import SequenceReader
from lightning_pose.video.sequence_pool import SequencePool
from tests.video.corpus import read_number

Corpus = Callable[[str], Path]
COUNT = 5


def test_a_pool_reads_side_by_side_and_tells_of_replaced_frames(corpus: Corpus) -> None:
    pool = SequencePool([corpus("plain.mp4"), corpus("spoilt.avi")])
    assert [pool.num_frames(video) for video in (0, 1)] == [60, 60]
    assert pool.frame_size(0) == (80, 112)
    assert [read_number(frame) for frame in pool.read(0, 30, 3)] == [30, 31, 32]
    assert pool.problems == ()
    pool.read(1, 24, 3)
    assert "spoilt.avi" in pool.problems[0]


def test_frames_that_are_held_are_those_that_are_read(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [corpus(name) for name in ("gop10.mp4", "open_gop.mp4", "turned_90.mp4")]
    holding = SequencePool(videos)
    monkeypatch.setattr(sequence_pool, "_HELD_BYTES", 0)
    reading = SequencePool(videos)
    for video, start in ((0, 0), (1, 13), (2, 5), (0, 52)):
        assert np.array_equal(holding.read(video, start, 7), reading.read(video, start, 7))
    for pool in (holding, reading):
        with pytest.raises(VideoError, match="frames"):
            pool.read(0, pool.num_frames(0) - 2, 3)


def test_a_video_that_is_held_is_decoded_once(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = SequencePool([corpus("plain.mp4")])
    pool.read(0, 3, 4)
    monkeypatch.setattr(SequenceReader, "read", None)
    assert [read_number(frame) for frame in pool.read(0, 20, 2)] == [20, 21]


def test_a_pool_keeps_few_files_open(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence_pool, "_HELD_BYTES", 0)
    videos = [corpus(name) for name in ("plain.mp4", "gop10.mp4", "small.mp4", "hevc.mp4")]
    pool = SequencePool(videos)
    monkeypatch.setattr(sequence_pool, "_FRAMES_OPEN_AT_MOST", 100)
    for video in (0, 1, 2, 3, 0):
        pool.read(video, 3, 2)
    assert [video for video, _ in pool._idle] == [0]
    monkeypatch.setattr(sequence_pool, "_FRAMES_OPEN_AT_MOST", 150)
    for video in (1, 2, 2):
        pool.read(video, 3, 2)
    assert [video for video, _ in pool._idle] == [0, 1, 2]
    monkeypatch.setattr(sequence_pool, "_OPEN_AT_MOST", 2)
    pool.read(0, 3, 2)
    assert [video for video, _ in pool._idle] == [2, 0]


def test_threads_read_the_same_video_at_once(corpus: Corpus) -> None:
    pool = SequencePool([corpus("gop10.mp4")])

    def numbers(start: int) -> list[int]:
        return [read_number(frame) for frame in pool.read(0, start, COUNT)]

    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(numbers, range(50)))
    assert found == [list(range(start, start + COUNT)) for start in range(50)]


@pytest.mark.parametrize("name", ["plain.mp4", "plain.mkv", "b_frames.avi"])
def test_a_video_that_is_held_never_takes_twice_its_memory(corpus: Corpus, name: str) -> None:
    pool = SequencePool([corpus(name)])
    pool.read(0, 0, 1)  # modules and codecs are loaded
    pool = SequencePool([corpus(name)])
    tracemalloc.start()
    frames = pool.read(0, 0, pool.num_frames(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * frames.nbytes


def test_a_video_knows_whether_its_frames_have_sure_numbers(corpus: Corpus) -> None:
    pool = SequencePool([corpus("plain.mp4"), corpus("b_frames.avi")])
    assert [pool.is_exact(video) for video in (0, 1)] == [True, False]
