"""Every registered reader agrees with the reference: PyAV's decoder, frame by frame.

A reader passes over a video by saying why it is not usable for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import VideoError
from lightning_pose.contracts.registry import READERS, Entry
from lightning_pose.video.decode import Decoder
from tests.video.corpus import NOT_READABLE, READABLE

Corpus = Callable[[str], Path]
HALO = 2
GREY_LEVELS = 3


@pytest.mark.parametrize("entry", list(READERS), ids=lambda entry: entry.name)
@pytest.mark.parametrize("name", READABLE)
def test_frames_are_those_of_the_reference(corpus: Corpus, name: str, entry: Entry[type]) -> None:
    path = corpus(name)
    if reason := entry.value.usable(path):
        assert reason.endswith(".")
        pytest.skip(reason)
    reference = [picture.pixels.copy() for picture in Decoder(path)]
    last = len(reference) - 1
    reader = entry.value(path, batch_size=7, halo=HALO)
    seen: list[int] = []
    for raw in reader:
        ids = raw.frame_ids.tolist()
        around = range(ids[0] - HALO, ids[-1] + HALO + 1)
        assert len(raw.frames) == len(around)
        for number, frame in zip(around, raw.frames.cpu().numpy(), strict=True):
            expected = reference[min(max(number, 0), last)].astype(int)
            assert np.abs(frame - expected).mean() <= GREY_LEVELS
        seen += ids
    assert seen == list(range(len(reference)))
    assert reader.num_frames == len(reference)


@pytest.mark.parametrize("entry", list(READERS), ids=lambda entry: entry.name)
def test_the_same_is_read_the_second_time(corpus: Corpus, entry: Entry[type]) -> None:
    if reason := entry.value.usable(corpus("plain.mp4")):
        pytest.skip(reason)
    reader = entry.value(corpus("plain.mp4"), batch_size=16)
    first, second = ([raw.frames.cpu() for raw in reader] for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("entry", list(READERS), ids=lambda entry: entry.name)
@pytest.mark.parametrize("name", sorted(NOT_READABLE))
def test_what_cannot_be_read_is_an_error_of_ours(
    corpus: Corpus, name: str, entry: Entry[type]
) -> None:
    if entry.value.usable(corpus(name)):
        return
    with pytest.raises(VideoError, match=name.split(".")[0]):
        list(entry.value(corpus(name), batch_size=16))
