"""What NVDEC decodes is what PyAV decodes, to the last bit, whole and in stretches."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from lightning_pose.video import segments
from lightning_pose.video.info import probe
from lightning_pose.video.nvdec_reader import NvdecReader, why_not_plain
from lightning_pose.video.nvdec_rules import is_h264_without_colour
from lightning_pose.video.preflight import preflight
from lightning_pose.video.pyav_reader import PyAVReader
from lightning_pose.video.sample_table import trusted_table
from lightning_pose.video.segments import DamagedError, Segment
from tests.video.corpus import DAMAGED, NUM_FRAMES
from tests.video.corpus_more import EVERY, NEVER_READABLE

Corpus = Callable[[str], Path]
TAKEN = ("plain.mp4", "gop10.mp4", "open_gop.mp4", "index_first.mp4", "late_start.mp4")
FILES = sorted(
    name
    for name in set(EVERY) - NEVER_READABLE - DAMAGED
    if name.endswith(".mp4") and not name.startswith("lost")  # damage is not seen by NVDEC
)
HALO = 2


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 8)
    monkeypatch.setattr(segments, "_REACH", 4)


def settings_of(video: Path) -> bytes | None:
    table = trusted_table(probe(video))
    assert table is not None
    return table.settings.extradata


def test_pictures_without_colours_are_told(corpus: Corpus) -> None:
    assert is_h264_without_colour(settings_of(corpus("grey.mp4")))
    for name in ("plain.mp4", "full_colour.mp4", "ten_bit.mp4", "open_gop.mp4"):
        assert not is_h264_without_colour(settings_of(corpus(name)))
    assert not is_h264_without_colour(None)
    assert not is_h264_without_colour(b"\x01" + bytes(20))


@pytest.mark.parametrize("name", ["plain.mp4", "spoilt.mp4"])
def test_what_preflight_found_damaged_is_left_to_pyav(
    corpus: Corpus, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # nobody has counted it yet
    video = tmp_path / name
    video.write_bytes(corpus(name).read_bytes())
    assert why_not_plain(video) is None
    preflight(video)
    assert (why_not_plain(video) is None) == (name == "plain.mp4")


def read(reader: PyAVReader, stretch: tuple[Segment, ...]) -> list[tuple[list[int], torch.Tensor]]:
    return [(raw.frame_ids.tolist(), raw.frames.cpu()) for raw in reader.read(stretch)]


@pytest.mark.gpu
@pytest.mark.parametrize("name", FILES)
def test_whatever_is_taken_is_read_as_the_reference_does(corpus: Corpus, name: str) -> None:
    path = corpus(name)
    if reason := NvdecReader.usable(path, device="cuda"):
        assert name not in TAKEN
        pytest.skip(reason)
    ours_of, theirs_of = (
        kind(path, batch_size=7, halo=HALO) for kind in (NvdecReader, PyAVReader)
    )
    try:
        expected = list(theirs_of.read(theirs_of.segments))
    except DamagedError:
        pytest.skip("Damage inside pictures is not seen on a GPU.")
    found = list(ours_of.read(ours_of.segments))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.frames.is_cuda
        assert ours.frame_ids.tolist() == theirs.frame_ids.tolist()
        assert torch.equal(ours.frames.cpu(), theirs.frames)


@pytest.mark.gpu
@pytest.mark.parametrize("name", TAKEN)
def test_threads_read_stretches_side_by_side(corpus: Corpus, name: str) -> None:
    readers = [kind(corpus(name), batch_size=5, halo=HALO) for kind in (NvdecReader, PyAVReader)]
    parts = [(part,) for part in readers[0].segments]
    with ThreadPoolExecutor(8) as pool:
        found, expected = (
            list(pool.map(read, [reader] * len(parts), parts)) for reader in readers
        )
    numbers = [number for batches in found for ids, _ in batches for number in ids]
    assert sorted(numbers) == list(range(NUM_FRAMES))
    for ours, theirs in zip(found, expected, strict=True):
        assert [ids for ids, _ in ours] == [ids for ids, _ in theirs]
        assert all(torch.equal(a, b) for (_, a), (_, b) in zip(ours, theirs, strict=True))
