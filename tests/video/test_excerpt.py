"""An excerpt of an MP4 holds the very frames it should, at the times it says."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from lightning_pose.video import excerpt
from lightning_pose.video.decode import Decoder
from lightning_pose.video.excerpt import Excerpt, Span, lacks_references, num_bytes, spans
from lightning_pose.video.info import probe
from lightning_pose.video.sample_table import SampleTable, trusted_table
from tests.video.corpus import NUM_FRAMES, read_number

Corpus = Callable[[str], Path]
PLAIN = ("plain.mp4", "gop10.mp4", "open_gop.mp4", "index_first.mp4", "late_start.mp4", "hevc.mp4")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excerpt, "SEGMENT_FRAMES", 8)


def table_of(video: Path) -> SampleTable:
    table = trusted_table(probe(video))
    assert table is not None
    return table


@pytest.mark.parametrize("wanted", [(0, NUM_FRAMES), (23, 41), (NUM_FRAMES - 1, NUM_FRAMES)])
@pytest.mark.parametrize("name", PLAIN)
def test_frames_and_times_are_those_of_the_video(
    corpus: Corpus, name: str, wanted: tuple[int, int]
) -> None:
    video = corpus(name)
    table = table_of(video)
    reference = [picture.pixels.copy() for picture in Decoder(video)]
    parts = spans(table, *wanted)
    assert parts[0].start <= wanted[0]
    assert parts[-1].shown == wanted[1]
    for before, after in itertools.pairwise(parts):
        assert before.shown == after.start
    for part in parts:
        held = Excerpt(video, table, part)
        with av.open(str(held.path)) as container:
            frames = list(container.decode(video=0))[: part.shown - part.start]
        assert [frame.pts for frame in frames] == held.times(part.start, part.shown).tolist()
        for number, frame in enumerate(frames, part.start):
            pixels = frame.to_ndarray(format="rgb24")
            assert read_number(pixels) == number
            assert (pixels == reference[number]).all()


@pytest.mark.parametrize("name", [*PLAIN, "lost.mp4"])
def test_lost_references_are_told_of_the_span_that_hangs_on_them(
    corpus: Corpus, name: str
) -> None:
    table = table_of(corpus(name))
    parts = spans(table, 0, table.num_frames)
    without = [part for part in parts if lacks_references(corpus(name), table, part)]
    expected = [part for part in parts if name == "lost.mp4" and part.start <= 23 < part.shown]
    assert without == expected


def test_sound_between_the_frames_is_left_out(corpus: Corpus) -> None:
    video = corpus("plain.mp4")
    table = table_of(video)
    part = spans(table, 0, NUM_FRAMES)[0]
    held = Excerpt(video, table, part)
    index = held.path.stat().st_size - num_bytes(table, part)
    assert 0 < index < 1000 + 24 * NUM_FRAMES


def test_the_memory_is_given_back(corpus: Corpus) -> None:
    video = corpus("plain.mp4")
    table = table_of(video)
    held = Excerpt(video, table, spans(table, 0, NUM_FRAMES)[0])
    path = held.path
    assert path.exists()
    del held
    gc.collect()
    assert not path.exists()


def test_a_video_that_has_become_shorter_is_an_error(corpus: Corpus, tmp_path: Path) -> None:
    video = corpus("plain.mp4")
    table = table_of(video)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(video.read_bytes()[:2000])
    with pytest.raises(OSError, match="shorter"):
        Excerpt(cut, table, Span(0, NUM_FRAMES, NUM_FRAMES))
