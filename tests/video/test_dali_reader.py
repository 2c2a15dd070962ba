"""DALI's frames are PyAV's, each once; what it cannot be trusted with it leaves alone.

DALI decodes VP8 and VP9 on a CPU too: the order of frames, both ends and the halo are shown there.
NVDEC, colours and speed need a GPU: ``pytest -m gpu tests/video``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video import dali_reader
from lightning_pose.video.batching import in_batches, sequences_in_batches
from lightning_pose.video.dali_reader import DaliReader, unsuitable, why_not_plain
from lightning_pose.video.decode import Decoder
from lightning_pose.video.info import VideoInfo, probe
from lightning_pose.video.preflight import preflight
from lightning_pose.video.reader import open_reader
from tests.video.corpus import NUM_FRAMES, READABLE, encode, read_number

Corpus = Callable[[str], Path]
GREY_LEVELS = 3
DAMAGED_INSIDE = {"spoilt.mp4", "spoilt_key.mp4", "spoilt_bit.mp4"}  # their index is whole


@pytest.fixture
def promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let WebM files promise their frames, as MP4 files do by themselves."""

    def with_count(path: Path) -> VideoInfo:
        values = vars(probe(path)) | {"num_frames": NUM_FRAMES}
        return VideoInfo(**values)

    monkeypatch.setattr(dali_reader, "probe", with_count)


def frames_by_number(reader: DaliReader, halo: int) -> list[tuple[list[int], list[int]]]:
    """Return, for each batch, its frame ids and the numbers its frames spell."""
    return [
        (raw.frame_ids.tolist(), [read_number(frame) for frame in raw.frames.cpu().numpy()])
        for raw in reader
    ]


@pytest.mark.usefixtures("promised")
@pytest.mark.parametrize(
    ("batch_size", "halo"), [(7, 0), (7, 2), (60, 2), (64, 2), (1, 2), (20, 0)]
)
def test_every_frame_comes_once_with_its_halo(corpus: Corpus, batch_size: int, halo: int) -> None:
    pytest.importorskip("nvidia.dali")
    reader = DaliReader(corpus("vp9.webm"), batch_size=batch_size, halo=halo, device="cpu")
    seen: list[int] = []
    for ids, numbers in frames_by_number(reader, halo):
        around = range(ids[0] - halo, ids[-1] + halo + 1)
        assert numbers == [min(max(number, 0), NUM_FRAMES - 1) for number in around]
        seen += ids
    assert seen == list(range(NUM_FRAMES))
    assert reader.num_frames == NUM_FRAMES


@pytest.mark.usefixtures("promised")
def test_a_second_reading_begins_anew(corpus: Corpus) -> None:
    pytest.importorskip("nvidia.dali")
    reader = DaliReader(corpus("vp8.webm"), batch_size=16, device="cpu")
    first, second = (frames_by_number(reader, 0) for _ in range(2))
    assert first == second


def test_frames_that_are_promised_but_missing_are_an_error(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nvidia.dali")

    def too_many(path: Path) -> VideoInfo:
        return VideoInfo(**(vars(probe(path)) | {"num_frames": NUM_FRAMES + 1}))

    monkeypatch.setattr(dali_reader, "probe", too_many)
    with pytest.raises(VideoError, match="DALI gave"):
        list(DaliReader(corpus("vp9.webm"), batch_size=10, device="cpu"))


@pytest.mark.parametrize("length", [1, 3, 7, 8, 20])
@pytest.mark.parametrize("halo", [0, 2])
@pytest.mark.parametrize("sequence", [1, 4, 7])
def test_sequences_are_cut_as_single_frames_are(length: int, halo: int, sequence: int) -> None:
    frames = np.arange(length, dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)
    expected = list(in_batches(iter(frames), batch_size=4, halo=halo))
    parts = torch.from_numpy(frames).split(sequence)
    found = list(sequences_in_batches(parts, batch_size=4, halo=halo))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.frames, other.frames)
        assert torch.equal(one.frame_ids, other.frame_ids)


def test_without_a_gpu_it_says_so(corpus: Corpus) -> None:
    reason = DaliReader.usable(corpus("plain.mp4"))
    assert reason is not None
    assert reason.endswith(".")
    with pytest.raises(VideoError, match="cannot be read with 'dali'"):
        open_reader(corpus("plain.mp4"), batch_size=4, name="dali")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("plain.mp4", None),
        ("gop10.mp4", None),
        ("open_gop.mp4", None),
        ("index_first.mp4", None),
        ("spoilt.mp4", None),
        ("mpeg4.avi", "H.264 and HEVC"),
        ("b_frames.avi", "no MP4 or MOV"),
        ("b_frames_mpeg4.avi", "H.264 and HEVC"),
        ("uneven.mp4", "unevenly"),
        ("edit_list.mp4", "edit list"),
        ("two_tracks.mp4", "several picture tracks"),
        ("turned_90.mp4", "turned"),
        ("ten_bit.mp4", "yuv420p10le"),
        ("full_colour.mp4", "yuv444p"),
        ("ffv1_gray.mkv", "ffv1"),
        ("vp9.webm", "H.264 and HEVC"),
        ("hevc.mp4", "from 144 x 144"),
        ("plain.mkv", "no MP4 or MOV"),
        ("fragmented.mp4", "name every frame"),
        ("cut.mp4", "damaged"),
        ("open_gop_cut.mp4", "between two key frames"),
    ],
)
def test_only_plain_videos_are_left_to_nvdec(
    corpus: Corpus, name: str, reason: str | None
) -> None:
    found = why_not_plain(corpus(name))
    assert (found is None) == (reason is None)
    assert reason is None or reason in (found or "")


def test_impossible_batches_are_refused(corpus: Corpus) -> None:
    with pytest.raises(VideoError, match="at least one frame"):
        DaliReader(corpus("plain.mp4"), batch_size=0)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({}, None),
        ({"colorspace": "smpte170m"}, None),
        ({"colorspace": "bt709"}, "BT.601"),
        ({"colorspace": "bt2020nc"}, "BT.601"),
        ({"color_range": "pc"}, "yuvj420p"),
    ],
)
def test_colours_that_dali_would_take_for_others_are_left_to_pyav(
    tmp_path: Path, tags: dict[str, str], reason: str | None
) -> None:
    found = why_not_plain(encode(tmp_path / "video.mp4", range(3), options=tags))
    assert (found is None) == (reason is None)
    assert reason is None or reason in (found or "")


def test_full_range_is_left_to_pyav_in_any_pixel_format(corpus: Corpus) -> None:
    info = probe(corpus("plain.mp4"))
    assert unsuitable(info) is None
    assert "video range" in (unsuitable(dataclasses.replace(info, full_range=True)) or "")


@pytest.mark.gpu
@pytest.mark.parametrize("name", sorted(set(READABLE) - DAMAGED_INSIDE))
def test_nvdec_gives_the_frames_of_pyav(corpus: Corpus, name: str) -> None:
    path = corpus(name)
    preflight(path)
    if reason := DaliReader.usable(path, device="cuda"):
        pytest.skip(reason)
    assert_like_pyav(path)


@pytest.mark.gpu
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_nvdec_gives_the_frames_of_pyav_at_usual_sizes(tmp_path: Path, codec: str) -> None:
    assert_like_pyav(encode(tmp_path / "video.mp4", range(150), codec=codec, size=(396, 406)))


@pytest.mark.gpu
def test_nvdec_gives_the_colours_of_bt601(tmp_path: Path) -> None:
    tags = dict.fromkeys(("colorspace", "color_primaries", "color_trc"), "smpte170m")
    assert_like_pyav(encode(tmp_path / "video.mp4", range(20), size=(256, 256), options=tags))


def test_only_pictures_known_to_be_whole_are_left_to_dali(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(dali_reader, "why_no_dali", lambda: None)
    for name in ("gop10.mp4", *sorted(DAMAGED_INSIDE)):
        assert "Nobody has looked" in (DaliReader.usable(corpus(name), device="cuda") or "")
        preflight(corpus(name))
    assert DaliReader.usable(corpus("gop10.mp4"), device="cuda") is None
    for name in DAMAGED_INSIDE:
        assert "damaged inside" in (DaliReader.usable(corpus(name), device="cuda") or "")


def assert_like_pyav(path: Path) -> None:
    pytest.importorskip("nvidia.dali")
    reference = [picture.pixels.copy() for picture in Decoder(path)]
    seen: list[int] = []
    for raw in DaliReader(path, batch_size=7, halo=2, device="cuda"):
        assert raw.frames.is_cuda
        ids = raw.frame_ids.tolist()
        around = range(ids[0] - 2, ids[-1] + 3)
        for place, frame in zip(around, raw.frames.cpu().numpy(), strict=True):
            expected = reference[min(max(place, 0), len(reference) - 1)].astype(int)
            assert np.abs(frame - expected).mean() <= GREY_LEVELS, place
        seen += ids
    assert seen == list(range(len(reference)))
