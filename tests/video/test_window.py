"""A window of a video holds the frames that decoding all of it numbers so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video.decode import Decoder, count_frames
from lightning_pose.video.sample_frames import SampleFrames
from lightning_pose.video.window import pictures_in

Corpus = Callable[[str], Path]
WINDOW = range(29, 43)


def check_same(decoder: Decoder, video: Path, num_frames: int) -> None:
    """Check numbers, pixels and times against those of decoding everything."""
    expected = [(p.pixels.copy(), p.time_s) for p in Decoder(video)][WINDOW.start : WINDOW.stop]
    found = [(p.pixels.copy(), p.time_s) for p in pictures_in(decoder, WINDOW, num_frames)]
    assert [time_s for _, time_s in found] == [time_s for _, time_s in expected]
    for (pixels, _), (wanted, _) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(pixels, wanted)


@pytest.mark.parametrize(
    "name",
    [
        *("gop10.mp4", "open_gop.mp4", "one_key_frame.mp4", "hevc.mp4", "uneven.mp4"),
        *("turned_90.mp4", "late_start.mp4", "odd_size.mp4"),
    ],
)
def test_frames_are_entered_by_the_index(corpus: Corpus, name: str) -> None:
    decoder = Decoder(corpus(name))
    check_same(decoder, corpus(name), count_frames(corpus(name)))
    assert decoder.num_frames == 0  # it had nothing to do


@pytest.mark.parametrize(
    "name", ["plain.mkv", "open_gop.ts", "edit_list.mp4", "spoilt.mp4", "spoilt_key.mp4"]
)
def test_where_the_index_does_not_do_all_is_decoded(corpus: Corpus, name: str) -> None:
    decoder = Decoder(corpus(name))
    check_same(decoder, corpus(name), count_frames(corpus(name)))
    assert decoder.num_frames >= WINDOW.stop


def test_rows_of_other_numbers_are_not_looked_up(corpus: Corpus) -> None:
    decoder = Decoder(corpus("gop10.mp4"))
    check_same(decoder, corpus("gop10.mp4"), 59)
    assert decoder.num_frames >= WINDOW.stop


def test_damage_inside_the_window_is_decoded_over(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(corpus("gop10.mp4"))
    whole = SampleFrames._bytes

    def spoilt(self: SampleFrames, file: int, place: int) -> bytes:
        return whole(self, file, place) if place < 35 else b"\0" * 40

    monkeypatch.setattr(SampleFrames, "_bytes", spoilt)
    check_same(decoder, corpus("gop10.mp4"), 60)
    assert decoder.num_frames >= WINDOW.stop


def test_a_file_that_goes_is_named(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(SampleFrames, "_bytes", fail)
    with pytest.raises(VideoError, match=r"gop10.mp4 can no longer be read: Input/output error"):
        list(pictures_in(Decoder(corpus("gop10.mp4")), WINDOW, 60))
