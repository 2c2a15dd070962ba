"""What NVDEC decodes is what PyAV decodes, to the last bit, whole and in stretches."""

from __future__ import annotations

import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from lightning_pose.contracts.errors import UnreadableError
from lightning_pose.inference.in_step import parts_in_step
from lightning_pose.video import nvdec_decoders, nvdec_reader, segments
from lightning_pose.video.excerpt import Span
from lightning_pose.video.info import probe
from lightning_pose.video.nvdec_decoders import Decoders
from lightning_pose.video.nvdec_limits import limits_on
from lightning_pose.video.nvdec_reader import NvdecReader
from lightning_pose.video.nvdec_rules import Limits, why_not_plain
from lightning_pose.video.preflight import preflight
from lightning_pose.video.pyav_reader import PyAVReader
from lightning_pose.video.sample_table import trusted_table
from lightning_pose.video.segments import DamagedError, Segment
from tests.video.corpus import DAMAGED, NUM_FRAMES, copy_packets, encode
from tests.video.corpus_more import EVERY, NEVER_READABLE
from tests.video.imitated_nvdec import ThreadedDecoder, imitate

Corpus = Callable[[str], Path]
TAKEN = ("plain.mp4", "gop10.mp4", "open_gop.mp4", "index_first.mp4", "late_start.mp4")
FILES = sorted(
    name
    for name in set(EVERY) - NEVER_READABLE - DAMAGED
    if name.endswith(".mp4") and not name.startswith("lost")
)
HALO = 2
KINDS = (NvdecReader, PyAVReader)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 8)
    monkeypatch.setattr(segments, "_REACH", 4)


@pytest.mark.parametrize("name", ["plain.mp4", "spoilt.mp4", "lost.mp4"])
def test_what_preflight_found_damaged_is_left_to_pyav(
    corpus: Corpus, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # nobody has counted it yet
    video = tmp_path / name
    video.write_bytes(corpus(name).read_bytes())
    assert why_not_plain(video) is None
    preflight(video)
    assert (why_not_plain(video) is None) == (name == "plain.mp4")


def test_only_codecs_of_equal_pictures_are_taken(tmp_path: Path) -> None:
    video = encode(tmp_path / "v.mp4", range(20), codec="mpeg4")
    assert why_not_plain(video) == "NVDEC is trusted with H.264 and HEVC, not with mpeg4."


def limits(
    smallest: tuple[int, int], largest: tuple[int, int] = (4096, 4096), num_blocks: int = 65536
) -> Limits:
    return Limits(smallest=smallest, largest=largest, num_blocks=num_blocks)


@pytest.fixture(params=["imitated", pytest.param("gpu", marks=pytest.mark.gpu)])
def decoders(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Decoders:
    """Return the decoders of a GPU, or what is like them."""
    return imitate(monkeypatch) if request.param == "imitated" else nvdec_decoders.DECODERS


@pytest.fixture
def gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[Callable[..., object]], None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for why_not in ("why_no_codec", "why_no_kernels"):
        monkeypatch.setattr(nvdec_reader, why_not, lambda *_: None)
    return lambda limits_on: monkeypatch.setattr(nvdec_reader, "limits_on", limits_on)


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (limits((160, 160)), None),
        (limits((160, 160), (160, 160), 100), None),
        (None, "This GPU does not decode h264."),
        (limits((162, 16)), "NVDEC decodes h264 from 162 x 16 to 4096 x 4096 pixels."),
        (
            limits((48, 16), (2048, 158)),
            "NVDEC decodes h264 from 48 x 16 to 2048 x 158 pixels.",
        ),
        (
            limits((48, 16), num_blocks=99),
            "NVDEC decodes h264 from 48 x 16 to 4096 x 4096 pixels, and at most 99 blocks of "
            "16 x 16.",
        ),
    ],
)
def test_it_takes_what_the_gpu_says_it_decodes(
    tmp_path: Path,
    gpu: Callable[[Callable[..., object]], None],
    known: Limits | None,
    reason: str | None,
) -> None:
    asked: list[tuple[int, str]] = []

    def answer(number: int, codec: str) -> Limits | None:
        asked.append((number, codec))
        return known

    gpu(answer)
    video = encode(tmp_path / "v.mp4", range(4), size=(160, 160))
    assert NvdecReader.usable(video, device="cuda:4") == "There is no GPU 4 here."
    assert NvdecReader.usable(video, device="cuda:3") == reason
    assert asked == [(3, "h264")]


def test_pictures_are_judged_by_what_is_stored(
    tmp_path: Path, gpu: Callable[[Callable[..., object]], None]
) -> None:
    gpu(lambda number, codec: Limits(smallest=(48, 16), largest=(160, 158), num_blocks=100))
    video = encode(tmp_path / "v.mp4", range(4), size=(160, 158))  # of 160 x 160, cropped
    assert probe(video).coded_size == (160, 160)
    assert "to 160 x 158 pixels" in (NvdecReader.usable(video, device="cuda:0") or "")


def read(reader: PyAVReader, stretch: tuple[Segment, ...]) -> list[tuple[list[int], torch.Tensor]]:
    return [(raw.frame_ids.tolist(), raw.frames.cpu()) for raw in reader.read(stretch)]


def test_a_video_is_checked_when_some_picture_could_not_be_decoded(corpus: Corpus) -> None:
    def check(name: str) -> tuple[str, ...]:
        reader = NvdecReader(corpus(name), batch_size=7, device="cuda:0")
        table = trusted_table(reader.info)
        assert table is not None
        reader._check(table, Span(20, 30, 30))
        reader._check(table, Span(0, 20, 20))
        return reader.problems

    assert not check("gop10.mp4")
    (remark,) = check("hevc.mp4")  # of which FFmpeg tells nothing
    assert "frames 0 to 19, 20 to 29." in remark
    for name in ("spoilt.mp4", "spoilt_key.mp4", "spoilt_bit.mp4"):
        with pytest.raises(DamagedError):
            check(name)


@pytest.mark.parametrize("name", FILES)
def test_whatever_is_taken_is_read_as_the_reference_does(
    decoders: Decoders, corpus: Corpus, name: str
) -> None:
    path = corpus(name)
    if reason := NvdecReader.usable(path, device="cuda"):
        assert name not in TAKEN
        pytest.skip(reason)
    ours_of, theirs_of = (kind(path, batch_size=7, halo=HALO) for kind in KINDS)
    expected = list(theirs_of.read(theirs_of.segments))
    found = list(ours_of.read(ours_of.segments))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.frames.is_cuda == (decoders is nvdec_decoders.DECODERS)
        assert ours.frame_ids.tolist() == theirs.frame_ids.tolist()
        assert torch.equal(ours.frames.cpu(), theirs.frames)


@pytest.mark.parametrize("name", TAKEN)
def test_threads_read_stretches_side_by_side(
    decoders: Decoders, corpus: Corpus, name: str
) -> None:
    readers = [kind(corpus(name), batch_size=5, halo=HALO) for kind in KINDS]
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


def test_views_of_a_session_are_read_where_there_is_little_room(
    decoders: Decoders, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvdec_decoders, "room_on", lambda gpu: 1)
    views = [NvdecReader(corpus("gop10.mp4"), batch_size=7) for _ in range(3)]

    def frames(part: Segment) -> int:
        return sum(len(batches[0].frame_ids) for batches in parts_in_step(views, (part,)))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(frames, views[0].segments)) == NUM_FRAMES


@pytest.mark.parametrize("name", ["spoilt.mp4", "spoilt_key.mp4", "spoilt_bit.mp4", "lost.mp4"])
def test_damage_is_told(
    decoders: Decoders, corpus: Corpus, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # nobody looked for it
    reader = NvdecReader(corpus(name), batch_size=7, halo=HALO)
    with pytest.raises(DamagedError):
        list(reader.read(reader.segments))
    (others,) = reader.segments[:1]
    assert [n for ids, _ in read(reader, (others,)) for n in ids] == list(range(len(others)))


def test_videos_read_beside_a_damaged_one_are_whole(decoders: Decoders, corpus: Corpus) -> None:
    def numbers(name: str) -> list[int] | None:
        reader = NvdecReader(corpus(name), batch_size=7, halo=HALO)
        try:
            return [n for ids, _ in read(reader, reader.segments) for n in ids]
        except DamagedError:
            return None

    names = ["spoilt_bit.mp4", "gop10.mp4", "spoilt_key.mp4", "plain.mp4", "open_gop.mp4"] * 8
    for name in names:
        corpus(name)  # made by one thread
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(names, pool.map(numbers, names), strict=True))
    for name, those in found.items():
        assert those == (None if name in DAMAGED else list(range(NUM_FRAMES))), name


@pytest.mark.parametrize("name", ["gop10.mp4", "hevc.mp4"])
def test_what_another_video_may_have_caused_is_looked_at(
    corpus: Corpus, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitate(monkeypatch)
    monkeypatch.setattr(ThreadedDecoder, "complains_of", frozenset((3, 17)))
    ours, theirs = (kind(corpus(name), batch_size=7, halo=HALO) for kind in KINDS)
    found, expected = (read(reader, reader.segments) for reader in (ours, theirs))
    assert [ids for ids, _ in found] == [ids for ids, _ in expected]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(found, expected, strict=True))
    assert bool(ours.problems) == (name == "hevc.mp4")  # of which FFmpeg tells nothing
    ours._pin_memory = False  # which takes a GPU
    list(ours)  # as a whole, by PyAV
    assert not ours.problems


def unplugged(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("name", ["Excerpt", "decode_whole"])
def test_a_disk_that_is_gone_is_told_from_damage(
    corpus: Corpus, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitate(monkeypatch)
    monkeypatch.setattr(ThreadedDecoder, "complains_of", frozenset((3,)))
    owner = nvdec_decoders if name == "Excerpt" else nvdec_reader
    reader = NvdecReader(corpus("gop10.mp4"), batch_size=7, halo=HALO)
    monkeypatch.setattr(owner, name, unplugged)
    with pytest.raises(UnreadableError, match=r"gop10.mp4 can no longer be read: Input/output"):
        list(reader.read(reader.segments))


@pytest.mark.gpu
def test_damage_over_which_ffmpeg_passes_is_a_remark(tmp_path: Path) -> None:
    options = {"x265-params": "keyint=10:log-level=none"}
    whole = encode(
        tmp_path / "whole.mp4", range(40), codec="libx265", size=(396, 406), options=options
    )
    video = copy_packets(whole, tmp_path / "v.mp4", flip=[20])
    for path in (whole, video):
        reader = NvdecReader(path, batch_size=7)
        assert len([n for ids, _ in read(reader, reader.segments) for n in ids]) == 40
        told = [problem for problem in reader.problems if "NVDEC told of" in problem]
        assert bool(told) == (path == video)


def test_pictures_of_very_different_size_follow_one_another(
    decoders: Decoders, tmp_path: Path
) -> None:
    large = {"libx264": (4096, 2304), "libx265": (5312, 2988)}
    quick = {"preset": "ultrafast", "x265-params": "log-level=none"}
    videos = [
        encode(
            tmp_path / f"{codec} {size[0]}.mp4", range(6), codec=codec, size=size, options=quick
        )
        for codec in large
        for size in (large[codec], (256, 192))
    ]
    for video in (*videos, *reversed(videos)):
        limits, info = nvdec_reader.limits_on(0, probe(video).codec), probe(video)
        if limits is None or not limits.take(*info.coded_size):
            assert NvdecReader.usable(video, device="cuda")
            continue
        assert NvdecReader.usable(video, device="cuda") is None
        ours, theirs = (kind(video, batch_size=4) for kind in KINDS)
        for (_, found), (_, expected) in zip(
            read(ours, ours.segments), read(theirs, theirs.segments), strict=True
        ):
            assert torch.equal(found, expected), video


@pytest.mark.gpu
def test_decoders_write_into_memory_that_others_let_go() -> None:
    decoders = Decoders()
    frames = decoders.new_frames(0, (64, 256, 256, 3))
    place = frames.data_ptr()
    del frames
    with torch.cuda.stream(torch.cuda.Stream()):
        assert decoders.new_frames(0, (64, 256, 256, 3)).data_ptr() == place


@pytest.mark.gpu
def test_larger_pictures_than_the_gpu_takes_are_left_to_pyav(tmp_path: Path) -> None:
    limits = limits_on(0, "h264")
    assert limits is not None
    video = encode(tmp_path / "wide.mp4", range(3), size=(limits.largest[0] + 16, 64))
    assert "pixels" in (NvdecReader.usable(video, device="cuda") or "")
