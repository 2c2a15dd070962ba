"""Any sequence of a video is read as the decoder gives it, without decoding what lies before."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video import container_frames, frame_index
from lightning_pose.video.decode import Decoder
from lightning_pose.video.info import open_video
from lightning_pose.video.random_access import SequenceReader
from lightning_pose.video.sequence_pool import SequencePool
from tests.video.corpus import (
    DAMAGED,
    NOT_READABLE,
    NUM_FRAMES,
    READABLE,
    WHOLE,
    loop,
    read_number,
)

Corpus = Callable[[str], Path]
COUNT = 5
NO_TIMES = {"stream.h264"}
# Numbers hang on a mean rate only: uneven times, frames that are stored but never shown, and times
# that MPEG program streams give only to some frames.
NOT_ON_A_GRID = {"hidden.webm", "program_stream.mpg", "uneven.mkv"}


def every_start(reader: SequenceReader, *, step: int = 1) -> list[int]:
    """Return starts in an order that goes back and forth, so that nothing can be read on."""
    starts = range(0, reader.num_frames - min(COUNT, reader.num_frames) + 1, step)
    return np.random.default_rng(0).permutation(starts).tolist()


@pytest.mark.parametrize("name", sorted(set(WHOLE) - NO_TIMES))
def test_sequences_are_those_of_the_decoder(corpus: Corpus, name: str) -> None:
    reference = np.stack([picture.pixels.copy() for picture in Decoder(corpus(name))])
    reader = SequenceReader(corpus(name))
    assert reader.num_frames == len(reference)
    count = min(COUNT, len(reference))
    for start in every_start(reader):
        assert (reader.read(start, count) == reference[start : start + count]).all(), start
    assert reader.num_replaced == 0
    assert reader.exact == (name != "b_frames.avi")


@pytest.mark.parametrize("name", sorted(n for n in WHOLE if n.endswith(".mp4")))
def test_an_mp4_is_read_through_its_container_too(
    corpus: Corpus, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_index, "sample_table", lambda *_: None)
    reference = np.stack([picture.pixels.copy() for picture in Decoder(corpus(name))])
    reader = SequenceReader(corpus(name))
    assert reader.num_frames == len(reference)
    count = min(COUNT, len(reference))
    for start in every_start(reader, step=3):
        assert (reader.read(start, count) == reference[start : start + count]).all(), start


@pytest.mark.parametrize("name", sorted(n for n in WHOLE if n.endswith(".mp4")))
def test_a_plain_mp4_is_closed_between_sequences(
    corpus: Corpus, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = SequenceReader(corpus(name))

    def fail(*_: object) -> None:
        raise AssertionError("opened again")

    monkeypatch.setattr(container_frames, "open_video", fail)
    if name in ("fragmented.mp4", "edit_list.mp4"):  # not every stored frame is in its index
        with pytest.raises(AssertionError, match="opened again"):
            reader.another()
    else:
        reader.another().read(0, 1)


@pytest.mark.parametrize("name", sorted(set(READABLE) & DAMAGED))
def test_a_damaged_video_gives_whole_sequences_everywhere(corpus: Corpus, name: str) -> None:
    frames = [picture.pixels.copy() for picture in Decoder(corpus(name))]
    reader = SequenceReader(corpus(name))
    assert abs(reader.num_frames - len(frames)) <= 7  # as many as are spoilt at most
    for start in every_start(reader, step=3):
        assert reader.read(start, COUNT).shape == (COUNT, *frames[0].shape)


def test_a_lost_frame_is_replaced_by_the_one_before_and_counted(corpus: Corpus) -> None:
    reader = SequenceReader(corpus("spoilt.avi"))  # each frame stands alone; number 25 is spoilt
    numbers = [read_number(frame) for frame in reader.read(22, 6)]
    assert numbers == [22, 23, 24, 24, 26, 27]
    assert reader.num_replaced == 1


def test_a_recording_cut_between_key_frames_is_numbered_from_what_can_be_decoded(
    corpus: Corpus,
) -> None:
    for name in ("open_gop_cut.ts", "open_gop_cut.mp4"):
        reader = SequenceReader(corpus(name))
        decoded = [read_number(picture.pixels) for picture in Decoder(corpus(name))]
        read = [read_number(frame) for frame in reader.read(0, reader.num_frames)]
        assert read == decoded


@pytest.mark.parametrize("name", sorted(set(WHOLE) - NO_TIMES - NOT_ON_A_GRID))
def test_long_files_without_an_index_are_entered_by_time(
    corpus: Corpus, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_index, "SCANNED_BYTES_AT_MOST", 0)
    reference = [picture.pixels.copy() for picture in Decoder(corpus(name))]
    reader = SequenceReader(corpus(name))
    assert 0 <= len(reference) - reader.num_frames <= 1  # the last one may be missed
    count = min(COUNT, reader.num_frames)
    for start in every_start(reader, step=7):
        assert (reader.read(start, count) == reference[start : start + count]).all(), start


@pytest.mark.parametrize("name", ["uneven.mkv", "program_stream.mpg"])
def test_frames_entered_by_time_follow_each_other_in_any_case(
    corpus: Corpus, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_index, "SCANNED_BYTES_AT_MOST", 0)
    reader = SequenceReader(corpus(name))
    assert not reader.exact
    for start in every_start(reader, step=7):
        numbers = [read_number(frame) for frame in reader.read(start, COUNT)]
        assert np.diff(numbers).tolist() in ([1] * (COUNT - 1), [1] * (COUNT - 2) + [0])


def test_only_the_group_of_pictures_around_a_sequence_is_decoded(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = SequenceReader(corpus("gop10.mp4"))
    seen: list[int] = []
    source = reader._source
    frames = source._frames

    def watched(*args: object, **options: object) -> object:
        for frame in frames(*args, **options):  # pyright: ignore
            seen.append(frame.pts)
            yield frame

    monkeypatch.setattr(source, "_frames", watched)
    reader.read(43, 5)
    assert len(seen) <= 8  # 40 to 47, those on which nothing depends left out


@pytest.mark.parametrize("name", ["plain.ts", "vp9.webm", "fragmented.mp4", "late_start.mkv"])
def test_a_seek_that_leads_elsewhere_costs_time_but_no_frame(
    corpus: Corpus, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = SequenceReader(corpus(name))
    source = reader._source
    packets = source._packets

    def astray(seek: int | None) -> object:
        found = packets(seek)
        if seek is not None:
            next(found, None)
        return found

    monkeypatch.setattr(source, "_packets", astray)
    for start in (0, 11, 37, 55):
        numbers = [read_number(frame) for frame in reader.read(start, COUNT)]
        assert numbers == list(range(start, start + COUNT))


@pytest.mark.parametrize(("suffix", "scanned"), [("mp4", 2**30), ("mkv", 2**30), ("mkv", 0)])
def test_a_long_recording_is_entered_anywhere(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, scanned: int
) -> None:
    monkeypatch.setattr(frame_index, "SCANNED_BYTES_AT_MOST", scanned)
    seconds = Fraction(NUM_FRAMES, 25)
    path = loop(corpus("gop10.mp4"), tmp_path / f"long.{suffix}", times=300, length_s=seconds)
    reader = SequenceReader(path)
    assert reader.num_frames == 300 * NUM_FRAMES
    for start in (17_993, 3, 9_058, 12_000, 17_995):
        numbers = [read_number(frame) for frame in reader.read(start, COUNT)]
        assert numbers == [(start + place) % NUM_FRAMES for place in range(COUNT)]


@pytest.mark.parametrize(("start", "count"), [(-1, 2), (58, 3), (0, 0), (60, 1)])
def test_frames_that_are_not_there_are_refused(corpus: Corpus, start: int, count: int) -> None:
    with pytest.raises(VideoError, match="frames 0 to 59"):
        SequenceReader(corpus("plain.mp4")).read(start, count)


@pytest.mark.parametrize("name", sorted(NOT_READABLE - {"other_size.ts"}))
def test_what_cannot_be_read_is_an_error_from_the_start(corpus: Corpus, name: str) -> None:
    with pytest.raises(VideoError, match=name.split(".")[0]):
        SequenceReader(corpus(name))


def test_a_change_of_size_is_named(corpus: Corpus) -> None:
    reader = SequenceReader(corpus("other_size.ts"))
    with pytest.raises(VideoError, match="changes its frame size"):
        reader.read(reader.num_frames - 3, 3)


def test_a_stream_without_times_is_refused_with_the_cure(corpus: Corpus) -> None:
    with pytest.raises(VideoError, match=r"no display times.*ffmpeg"):
        SequenceReader(corpus("stream.h264"))


def test_the_index_of_a_container_is_not_looked_for_by_reading_the_file(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("read through")

    monkeypatch.setattr(frame_index, "_keys_in_packets", fail)
    for name in ("plain.mp4", "edit_list.mp4", "mpeg4.avi", "index_first.mp4"):
        path = corpus(name)
        with open_video(path) as (container, stream):
            index = frame_index.index_frames(container, stream, path)
        assert index.num_frames == sum(1 for _ in Decoder(path))


@pytest.mark.parametrize("name", ["gop10.mp4", "plain.mkv"])
@pytest.mark.parametrize("how", ["deleted", "replaced", "written to"])
def test_a_file_that_is_no_longer_the_same_is_named(
    corpus: Corpus, tmp_path: Path, name: str, how: str
) -> None:
    path = tmp_path / name
    path.write_bytes(corpus(name).read_bytes())
    reader = SequenceReader(path)
    assert read_number(reader.read(30, 1)[0]) == 30
    if how == "deleted":
        path.unlink()
    elif how == "replaced":
        other = tmp_path / f"other_{name}"
        loop(corpus(name), other, times=2, length_s=Fraction(NUM_FRAMES, 25))
        other.rename(path)
    else:
        with path.open("r+b") as file:
            file.write(b"\0")
    match = rf"{name} (is no longer there|has changed)"
    with pytest.raises(VideoError, match=match):
        reader.read(31, 1)
    with pytest.raises(VideoError, match=match):
        reader.another()


def test_a_video_that_is_held_outlives_its_file(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "plain.mp4"
    path.write_bytes(corpus("plain.mp4").read_bytes())
    pool = SequencePool([path])
    pool.read(0, 3, 4)
    path.unlink()
    assert [read_number(frame) for frame in pool.read(0, 20, 2)] == [20, 21]


def test_a_sequence_of_which_nothing_is_left_freezes_at_the_frame_before(corpus: Corpus) -> None:
    reader = SequenceReader(corpus("spoilt_tail.mkv"))  # from 23 to the key frame at 30
    numbers = [read_number(frame) for frame in reader.read(27, 2)]
    assert numbers == [22, 22]
    assert reader.num_replaced == 2
