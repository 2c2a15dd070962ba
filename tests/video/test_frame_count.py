"""All cores together count what one counts from the beginning to the end."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from lightning_pose.video import frame_count, preflight, segments
from lightning_pose.video.frame_count import times_by_all_cores
from lightning_pose.video.info import probe
from lightning_pose.video.pyav_reader import PyAVReader
from lightning_pose.video.segments import DamagedError
from tests.video.corpus import NUM_FRAMES, concatenate, encode
from tests.video.corpus_more import EVERY, NEVER_READABLE, joined_in_one

Corpus = Callable[[str], Path]
BY_ALL = {"gop10.mp4", "late_start.mp4", "two_tracks.mp4"}  # with key frames inside
DAMAGED_INSIDE = ("spoilt.mp4", "spoilt_key.mp4", "spoilt_bit.mp4")


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_count, "_PART", 8)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)


@pytest.mark.parametrize("name", sorted(set(EVERY) - NEVER_READABLE))
def test_all_cores_find_what_one_does(corpus: Corpus, name: str) -> None:
    found = times_by_all_cores(probe(corpus(name)))
    if found is None:
        assert name not in BY_ALL
        return
    one = preflight._count_in_order(corpus(name), None)
    assert (one.damage, one.error) == ((), None)
    assert found == one.times


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"g": "10", "bf": "3"}),
        ("libx264", {"g": "10", "flags": "+ildct+ilme", "x264-params": "interlaced=1"}),
        ("libx265", {"x265-params": "keyint=10:min-keyint=10:open-gop=0:log-level=none"}),
        ("mpeg4", {"g": "10"}),
        ("mjpeg", {}),
    ],
)
def test_whatever_the_codec_and_the_spacing(
    tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    path = encode(
        tmp_path / "v.mp4",
        range(NUM_FRAMES),
        codec=codec,
        pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p",
        options=options,
        times=[40 * n + (n % 3) ** 2 for n in range(NUM_FRAMES)],
        time_base=Fraction(1, 1000),
    )
    found = times_by_all_cores(probe(path))
    assert found is not None
    assert found == preflight._count_in_order(path, None).times
    assert found.uneven


def test_another_size_from_a_key_frame_on_is_no_frame_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to be counted nor to be predicted part by part, where no part has both sizes."""
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 20)
    monkeypatch.setattr(segments, "_REACH", 10)
    options = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=0"}
    halves = [
        encode(tmp_path / f"{width}.ts", range(NUM_FRAMES), size=(width, 64), options=options)
        for width in (112, 96)
    ]
    path = joined_in_one(concatenate(halves, tmp_path / "both.ts"), tmp_path / "both.mp4")
    assert times_by_all_cores(probe(path)) is None
    assert f"frame {NUM_FRAMES} is 96 x 64" in (preflight.preflight(path).error or "")
    reader = PyAVReader(path, batch_size=20)
    first, later = reader.segments[0], reader.segments[-1]
    assert len(list(reader.read([first]))) == 1
    with pytest.raises(DamagedError):
        list(reader.read([later]))


def test_progress_is_told_of_all_frames(corpus: Corpus) -> None:
    told: list[tuple[int, int | None]] = []
    times_by_all_cores(probe(corpus("gop10.mp4")), lambda *progress: told.append(progress))
    assert len(told) == NUM_FRAMES // 10
    assert told == sorted(told)
    assert told[-1] == (NUM_FRAMES, NUM_FRAMES)


@pytest.mark.parametrize("name", DAMAGED_INSIDE)
def test_damage_is_left_to_be_told_by_one(corpus: Corpus, name: str) -> None:
    assert times_by_all_cores(probe(corpus(name))) is None
    assert preflight.preflight(corpus(name), again=True).problems


def test_one_core_counts_in_order(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert times_by_all_cores(probe(corpus("gop10.mp4"))) is None


def test_who_is_interrupted_leaves_no_thread(corpus: Corpus) -> None:
    def interrupted(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        times_by_all_cores(probe(corpus("gop10.mp4")), interrupted)
    assert not [one for one in threading.enumerate() if one.name.startswith("litpose-count")]


def test_a_file_that_lost_its_end_is_left_to_be_told_by_one(
    corpus: Corpus, tmp_path: Path
) -> None:
    video = tmp_path / "v.mp4"
    video.write_bytes(corpus("gop10.mp4").read_bytes())
    info = probe(video)
    assert times_by_all_cores(info) is not None
    gone = dataclasses.replace(info, num_frames=NUM_FRAMES + 1)
    assert times_by_all_cores(gone) is None
