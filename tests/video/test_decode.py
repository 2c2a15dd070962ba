"""Every frame of a video, once, in order, the right way up and in the right colours."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video.decode import Decoder, count_frames
from tests.video.corpus import (
    DAMAGED,
    NUM_FRAMES,
    READABLE,
    WHOLE,
    copy_packets,
    encode,
    numbered_frame,
    read_number,
)

Corpus = Callable[[str], Path]

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffprobe") is None or shutil.which("ffmpeg") is None,
    reason="the ffmpeg programs are not installed",
)
FIRST_NUMBERS = {
    "small_late.ts": 60,
    "edit_list.mp4": 14,
    "one_frame.mp4": 7,
    "small.mp4": 200,
    "small.ts": 60,
}
QUARTER_TURNS = {"turned_90.mp4": 1, "turned_180.mp4": 2, "turned_270.mp4": 3}


@pytest.mark.parametrize("name", sorted(set(WHOLE) - {"hidden.webm"}))
def test_each_frame_comes_once_and_in_order(corpus: Corpus, name: str) -> None:
    decoder = Decoder(corpus(name))
    upright = [np.rot90(picture.pixels, -QUARTER_TURNS.get(name, 0)) for picture in decoder]
    first = FIRST_NUMBERS.get(name, 0)
    assert [read_number(frame) for frame in upright] == list(range(first, first + len(upright)))
    assert decoder.num_frames == len(upright) == _expected_number(name)
    assert decoder.problems == ()


def _expected_number(name: str) -> int:
    numbers = {"edit_list.mp4": 46, "one_frame.mp4": 1}
    return 30 if name.startswith("small") else numbers.get(name, NUM_FRAMES)


@needs_ffmpeg
@pytest.mark.parametrize("name", READABLE)
def test_the_count_is_that_of_ffprobe(corpus: Corpus, name: str) -> None:
    assert count_frames(corpus(name)) == _ffprobe_count(corpus(name))


def _ffprobe_count(path: Path) -> int:
    shown = "stream=nb_read_frames:stream_disposition=default"
    command = ["ffprobe", "-v", "quiet", "-count_frames", "-select_streams", "v"]
    result = subprocess.run(
        [*command, "-show_entries", shown, "-of", "json", str(path)],
        capture_output=True,
        check=True,
    )
    streams = json.loads(result.stdout)["streams"]
    chosen = next((s for s in streams if s["disposition"]["default"]), streams[0])
    return int(chosen["nb_read_frames"])


@needs_ffmpeg
@pytest.mark.parametrize(
    "name", ["plain.mp4", "mjpeg.avi", "rgb.mkv", "turned_90.mp4", "turned_270.mp4", "uneven.mp4"]
)
def test_pixels_are_those_that_ffmpeg_shows(corpus: Corpus, name: str) -> None:
    ours = np.stack([picture.pixels for picture in Decoder(corpus(name))])
    command = ["ffmpeg", "-v", "quiet", "-i", str(corpus(name)), "-vsync", "passthrough"]
    raw = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
    )
    theirs = np.frombuffer(raw.stdout, dtype=np.uint8).reshape(ours.shape)
    assert np.abs(ours.astype(int) - theirs).max() <= 2


@pytest.mark.parametrize(
    "name",
    ["plain.mp4", "mjpeg.avi", "vp9.webm", "ten_bit.mp4", "full_colour.mp4", "rgb.mkv"],
)
def test_colours_survive_range_and_depth(corpus: Corpus, name: str) -> None:
    picture = next(iter(Decoder(corpus(name)))).pixels.astype(int)
    expected = numbered_frame(0).astype(int)
    inner = [(20, 20), (20, 90), (60, 20), (60, 90)]  # one place in each coloured quarter
    for row, column in inner:
        assert np.abs(picture[row, column] - expected[row, column]).max() <= 6


def test_the_colour_matrix_of_the_file_is_used(tmp_path: Path) -> None:
    def corner(**tags: str) -> np.ndarray:
        name = "_".join(tags.values()) or "untagged"
        options = {"x264-params": ":".join(f"{key}={value}" for key, value in tags.items())}
        path = encode(tmp_path / f"{name}.mp4", range(3), options=options)
        return next(iter(Decoder(path))).pixels[20, 20].astype(int)

    # The encoder is always given BT.601 colours; a file that says BT.709 is shown otherwise.
    assert np.abs(corner() - corner(colormatrix="smpte170m")).max() <= 1
    assert np.abs(corner() - corner(colormatrix="bt709")).max() > 8


@pytest.mark.parametrize("name", sorted(DAMAGED - {"cut_index.mp4", "cut_no_index.mp4", "cut.ts"}))
def test_what_can_be_decoded_is_and_the_damage_is_told(corpus: Corpus, name: str) -> None:
    decoder = Decoder(corpus(name))
    numbers = [read_number(picture.pixels) for picture in decoder]
    assert 0 < len(numbers) <= NUM_FRAMES
    assert numbers[0] >= 0
    assert decoder.problems
    assert all(problem.endswith(".") for problem in decoder.problems)


def test_damage_is_told_however_many_cores_there_are(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", range(30), size=(396, 406), options={"g": "10"})
    for number in (4, 10, 20):  # from two threads on FFmpeg keeps it to itself
        video = copy_packets(whole, tmp_path / f"{number}.mp4", flip=[number])
        decoder = Decoder(video)
        assert sum(1 for _ in decoder) == 30
        assert "patched over by the decoder" in " ".join(decoder.problems)


def test_frames_that_ffmpeg_drops_in_silence_are_missed(tmp_path: Path) -> None:
    options = {"x265-params": "keyint=10:log-level=none"}
    whole = tmp_path / "whole.mkv"
    encode(whole, range(40), codec="libx265", size=(160, 160), options=options)
    assert not problems_of(whole)
    with av.open(str(whole)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0)]
    reserved = packets[15][:4] + bytes([41 << 1]) + packets[15][5:]  # of a type that is not used
    lost = tmp_path / "lost.mkv"
    lost.write_bytes(whole.read_bytes().replace(packets[15], reserved))
    assert "1 of 40 frames could not be decoded" in problems_of(lost)


def problems_of(video: Path) -> str:
    decoder = Decoder(video)
    assert sum(1 for _ in decoder) > 0
    return " ".join(decoder.problems)


def test_frames_before_and_after_the_damage_are_whole(corpus: Corpus) -> None:
    numbers = [read_number(picture.pixels) for picture in Decoder(corpus("spoilt.mp4"))]
    assert numbers[:20] == list(range(20))
    assert numbers[-30:] == list(range(30, NUM_FRAMES))  # from the next key frame on


def test_a_lost_frame_is_counted_and_placed(corpus: Corpus) -> None:
    decoder = Decoder(corpus("spoilt.avi"))
    assert sum(1 for _ in decoder) == NUM_FRAMES - 1
    assert "1 of 60 frames could not be decoded, the first near 1.00 s" in decoder.problems[0]


def test_packets_that_show_nothing_are_no_damage(corpus: Corpus) -> None:
    decoder = Decoder(corpus("hidden.webm"))
    numbers = [read_number(picture.pixels) for picture in decoder]
    assert numbers == [number for number in range(NUM_FRAMES) if number != 25]
    assert decoder.problems == ()


def test_a_start_between_key_frames_is_told(corpus: Corpus) -> None:
    decoder = Decoder(corpus("open_gop_cut.ts"))
    numbers = [read_number(picture.pixels) for picture in decoder]
    assert numbers == list(range(24, NUM_FRAMES))
    assert decoder.problems[0].startswith("The first 0.5")


def test_a_file_cut_off_without_an_index_says_where(corpus: Corpus) -> None:
    decoder = Decoder(corpus("cut.mkv"))
    assert 0 < sum(1 for _ in decoder) < NUM_FRAMES
    assert "ends early" in decoder.problems[0]


def test_a_change_of_size_is_an_error_that_names_the_frame(corpus: Corpus) -> None:
    with pytest.raises(VideoError, match=r"two_sizes\.ts: frame 60 is 96 x 64"):
        count_frames(corpus("two_sizes.ts"))


def test_times_are_those_of_the_file(corpus: Corpus) -> None:
    times = [picture.time_s for picture in Decoder(corpus("uneven.mp4"))]
    expected = [i * 40 + (i % 5) ** 2 * 2 + (500 if i > 30 else 0) for i in range(NUM_FRAMES)]
    assert [float(t) * 1000 for t in times if t is not None] == pytest.approx(expected)


def test_a_decoder_can_be_read_twice(corpus: Corpus) -> None:
    decoder = Decoder(corpus("spoilt.avi"))
    assert sum(1 for _ in decoder) == sum(1 for _ in decoder) == decoder.num_frames
