"""What a video holds, and what is said of files that are none."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video.decode import Decoder
from lightning_pose.video.info import probe
from tests.video.corpus import HEIGHT, NUM_FRAMES, WIDTH

Corpus = Callable[[str], Path]


def test_size_rate_and_number_of_frames_are_told(corpus: Corpus) -> None:
    info = probe(corpus("plain.mp4"))
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    assert info.fps == Fraction(25)
    assert info.num_frames == NUM_FRAMES
    assert info.duration_s == pytest.approx(2.4)
    assert info.codec == "h264"
    assert info.problems == ()


@pytest.mark.parametrize("name", ["plain.mkv", "plain.ts", "vp9.webm", "fragmented.mp4"])
def test_without_an_index_the_number_is_only_guessed(corpus: Corpus, name: str) -> None:
    info = probe(corpus(name))
    assert info.num_frames is None
    assert info.approximate_frames == NUM_FRAMES


def test_frames_outside_an_edit_list_are_not_counted(corpus: Corpus) -> None:
    assert probe(corpus("edit_list.mp4")).num_frames == 46


@pytest.mark.parametrize(("name", "degrees"), [("90", 270), ("180", 180), ("270", 90)])
def test_size_is_that_of_the_turned_picture(corpus: Corpus, name: str, degrees: int) -> None:
    info = probe(corpus(f"turned_{name}.mp4"))
    assert info.rotation == degrees  # the tag counts counter-clockwise
    expected = (WIDTH, HEIGHT) if degrees == 180 else (HEIGHT, WIDTH)
    assert (info.width, info.height) == expected


def test_uneven_frame_times_are_noticed(corpus: Corpus) -> None:
    assert probe(corpus("uneven.mp4")).variable_rate is True
    assert probe(corpus("gop10.mp4")).variable_rate is False
    assert probe(corpus("plain.mkv")).variable_rate is None


@pytest.mark.parametrize("name", ["two_tracks.mp4", "two_tracks.mkv"])
def test_of_two_tracks_the_default_one_counts(corpus: Corpus, name: str) -> None:
    assert (probe(corpus(name)).width, probe(corpus(name)).height) == (WIDTH, HEIGHT)


def test_a_file_that_ends_early_is_noticed_from_its_index(corpus: Corpus) -> None:
    assert "ends early" in probe(corpus("cut.mp4")).problems[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.mp4", "is empty"),
        ("text.mp4", "not a video"),
        ("sound.m4a", "only sound"),
        ("sound.mp4", "only sound"),
        ("all_spoilt.mp4", "Not one frame"),
        ("cut_index.mp4", "moov"),
        ("cut_no_index.mp4", "moov"),
        ("tilted.mp4", "quarter turns"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(
    corpus: Corpus, name: str, reason: str
) -> None:
    path = corpus(name)
    with pytest.raises(VideoError, match=reason) as caught:
        probe(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"There is no video .*absent\.mp4"):
        probe(tmp_path / "absent.mp4")
    with pytest.raises(VideoError, match="is a folder"):
        probe(tmp_path)


def test_empty_entries_of_an_avi_are_no_frames(corpus: Corpus, tmp_path: Path) -> None:
    video = tmp_path / "v.avi"
    with av.open(str(corpus("mjpeg.avi"))) as old, av.open(str(video), "w") as new:
        track = old.streams.video[0]
        stream = new.add_stream_from_template(track)
        stream.time_base = track.time_base / 2
        for packet in old.demux(track):
            if packet.size:
                packet.pts, packet.dts = packet.pts * 2, packet.pts * 2  # AVI fills the gaps
                packet.time_base, packet.stream = track.time_base, stream
                new.mux(packet)
    found = probe(video)
    assert found.num_frames == NUM_FRAMES
    assert not found.problems
    assert float(found.fps) == pytest.approx(12.5, rel=0.02)
    assert sum(1 for _ in Decoder(video)) == NUM_FRAMES
