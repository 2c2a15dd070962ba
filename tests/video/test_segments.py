"""A video read in parts gives the frames it gives as a whole, with their numbers and context."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video import segments
from lightning_pose.video.pyav_reader import PyAVReader
from lightning_pose.video.sample_table import trusted_table
from lightning_pose.video.segments import (
    DamagedError,
    Segment,
    batch_sizes,
    check_consecutive,
    cut_into_segments,
)
from tests.video.corpus import NUM_FRAMES, copy_packets, encode

Corpus = Callable[[str], Path]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 16)
    monkeypatch.setattr(segments, "_REACH", 8)


@pytest.mark.parametrize("num_frames", [1, 500, 1535, 1536, 1537, 5000, 100_000])
@pytest.mark.parametrize("every", [1, 250, 4000, 10**9])
@pytest.mark.parametrize("halo", [0, 2])
def test_segments_fill_the_video_in_order(num_frames: int, every: int, halo: int) -> None:
    parts = cut_into_segments(num_frames, np.arange(0, num_frames, every), halo=halo)
    assert check_consecutive(parts) == (0, num_frames)
    assert all((part.start - halo) % every == 0 for part in parts[1:] if part.entry)
    assert max(map(len, parts)) <= 2 * segments.SEGMENT_FRAMES
    assert num_frames < 1536 or min(map(len, parts)) > segments.SEGMENT_FRAMES // 3


@pytest.mark.usefixtures("short")
def test_the_context_of_a_segment_begins_at_a_key_frame(corpus: Corpus) -> None:
    reader = PyAVReader(corpus("gop10.mp4"), batch_size=5, halo=2)
    table = trusted_table(reader.info)
    assert table is not None
    starts = [part.start for part in reader.segments[1:] if part.entry]
    assert len(starts) > 2
    assert {start - 2 for start in starts} <= set(table.entries.tolist())


def test_batches_do_not_cross_segments() -> None:
    assert list(batch_sizes([Segment(0, 10), Segment(10, 14)], 4)) == [4, 4, 2, 4]


@pytest.mark.parametrize("halo", [0, 2])
@pytest.mark.parametrize("name", ["plain.mp4", "gop10.mp4", "open_gop.mp4", "one_key_frame.mp4"])
@pytest.mark.usefixtures("short")
def test_parts_hold_the_frames_of_the_whole(corpus: Corpus, name: str, halo: int) -> None:
    reader = PyAVReader(corpus(name), batch_size=5, halo=halo)
    expected = {
        number: batch.frames[row : row + 2 * halo + 1]
        for batch in reader
        for row, number in enumerate(batch.frame_ids.tolist())
    }
    parts = reader.segments
    assert len(parts) > 2
    seen: list[int] = []
    for group in (parts[2:], parts[:1], parts[1:2]):
        for batch in reader.read(group):
            home = next(part for part in parts if part.start <= batch.frame_ids[0] < part.stop)
            assert int(batch.frame_ids[-1]) < home.stop
            for row, number in enumerate(batch.frame_ids.tolist()):
                seen.append(number)
                assert torch.equal(batch.frames[row : row + 2 * halo + 1], expected[number])
    assert sorted(seen) == list(range(NUM_FRAMES))


@pytest.mark.parametrize("name", ["plain.mkv", "plain.ts", "b_frames.avi", "vp9.webm"])
def test_a_file_without_a_good_index_has_no_segments(corpus: Corpus, name: str) -> None:
    assert PyAVReader(corpus(name), batch_size=5).segments == ()


def test_damage_is_not_passed_over(corpus: Corpus, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.mp4"
    data = bytearray(corpus("gop10.mp4").read_bytes())
    reader = PyAVReader(corpus("gop10.mp4"), batch_size=5)
    table = reader._table
    assert table is not None
    place = int(table.keys[3])
    start, size = int(table.positions[place]), int(table.sizes[place])
    data[start + 8 : start + size] = bytes(size - 8)
    spoilt.write_bytes(data)
    broken = PyAVReader(spoilt, batch_size=5)
    with pytest.raises(DamagedError):
        list(broken.read(broken.segments))


def test_segments_that_do_not_follow_are_refused(corpus: Corpus) -> None:
    reader = PyAVReader(corpus("plain.mp4"), batch_size=5)
    with pytest.raises(VideoError, match="must follow"):
        list(reader.read([Segment(0, 5), Segment(6, 8)]))


def test_what_is_damaged_without_a_word_is_decoded_alike_each_time(tmp_path: Path) -> None:
    # Where a packet ends too early a decoder reads what lies behind it.
    options = {"x265-params": "keyint=10:log-level=none"}
    whole = encode(
        tmp_path / "whole.mp4", range(20), codec="libx265", size=(396, 406), options=options
    )
    for number in (1, 6, 11):
        video = copy_packets(whole, tmp_path / "v.mp4", flip=[number])
        first, *others = (torch.cat(read_in_parts(video)) for _ in range(4))
        assert all(torch.equal(first, other) for other in others)


def read_in_parts(video: Path) -> list[torch.Tensor]:
    reader = PyAVReader(video, batch_size=5)
    return [raw.frames for raw in reader.read(reader.segments)]
