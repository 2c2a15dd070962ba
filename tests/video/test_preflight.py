"""What is said of awkward videos before they are predicted, and what of it is remembered."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from lightning_pose.contracts.files import user_cache
from lightning_pose.video.decode import Decoder
from lightning_pose.video.frame_times import unevenly_spaced
from lightning_pose.video.preflight import preflight
from lightning_pose.video.video_problems import Cure
from tests.video.corpus import DAMAGED, NUM_FRAMES
from tests.video.corpus_more import EVERY, LONG, NEVER_READABLE

Corpus = Callable[[str], Path]

# What is found, in the words of the message, and what a copy without it takes.
FOUND = [
    ("really_avi.mp4", "ends in .mp4, but its format is AVI", Cure.COPY),
    ("really_mkv.avi", "its format is Matroska or WebM", Cure.COPY),
    ("two_tracks.mkv", "2 picture tracks", Cure.COPY),
    ("turned_90.mp4", "turned by 270 degrees clockwise", Cure.ENCODE),
    ("ten_bit.mp4", "10 bits a colour", Cure.ENCODE),
    ("grey16.mkv", "16 bits a colour", Cure.ENCODE),
    ("edit_list.mp4", "hides 4 of its 50 stored frames", Cure.ENCODE),
    ("uneven.mp4", "8 to 542 ms, the widest gap after frame 30", Cure.ENCODE),
    ("uneven.mkv", "unevenly spaced", Cure.ENCODE),
    ("lost.ts", "unevenly spaced", Cure.ENCODE),
    ("lost.ts", "Reference frames are missing, the first near 1.", Cure.ENCODE),
    ("lost.mp4", "Reference frames are missing", Cure.ENCODE),
    ("same_times.mkv", "3 of its 60 frames is not later", Cure.ENCODE),
    ("joined.ts", "1 of its 120 frames is not later", Cure.ENCODE),
    ("stream.h264", "not say when 60 of its 60 frames", Cure.ENCODE),
    ("long_gop.mp4", f"up to {LONG} frames apart", Cure.ENCODE),
    ("interlaced.ts", "60 of its 60 frames are interlaced", Cure.NONE),
    ("cut.mp4", "ends early", Cure.ENCODE),
    ("cut.mkv", "ends early", Cure.ENCODE),
    ("sound_cut.mkv", "ends early", Cure.ENCODE),
    ("cut.avi", "index at the end of the file is missing", Cure.ENCODE),
    ("spoilt.mp4", "1 of 60 frames could not be decoded", Cure.ENCODE),
    ("spoilt_bit.mp4", "patched over by the decoder at frame 20", Cure.ENCODE),
    ("spoilt_key.mp4", "patched over by the decoder at frame 20", Cure.ENCODE),
    ("no_first_key.mp4", "6 of 56 frames could not be decoded", Cure.ENCODE),
    ("open_gop_cut.ts", "begins between two key frames", Cure.ENCODE),
]
NOTHING_WRONG = [
    "plain.mp4",
    "plain.ts",
    "vp9.webm",
    "mjpeg.avi",
    "b_frames.avi",
    "hevc.mp4",
    "open_gop.mp4",
    "fragmented.mp4",
    "late_start.mkv",
    "odd_size.mp4",
    "one_frame.mp4",
    "one_frame.avi",
    "sound_too.mp4",
    "sound_too.mkv",
    "wrapped.ts",
    "junk_after.mp4",
    "half_rate.mp4",
    "really_mp4.dat",
]


def test_another_track_that_goes_on_is_no_sign_of_a_cut(corpus: Corpus) -> None:
    found = preflight(corpus("short_track.mkv"))
    assert [problem.what for problem in found.problems] == ["It has 2 picture tracks."]


@pytest.mark.parametrize("name", sorted(EVERY))
def test_a_video_is_either_counted_or_refused_with_a_sentence(corpus: Corpus, name: str) -> None:
    found = preflight(corpus(name))
    assert (found.error is not None) == (name in NEVER_READABLE)
    if found.error is not None:
        assert str(corpus(name)) in found.error
        assert found.num_frames is None
        return
    assert found.counted
    assert found.num_frames
    assert found.key_frame_gap is not None
    assert 0 < found.key_frame_gap <= found.num_frames
    if name in DAMAGED:
        assert found.problems
    for problem in found.problems:
        assert problem.what.endswith(".")
        assert problem.then.endswith(".")


@pytest.mark.parametrize(("name", "words", "cure"), FOUND)
def test_what_is_unusual_is_named_with_its_cure(
    corpus: Corpus, name: str, words: str, cure: Cure
) -> None:
    found = preflight(corpus(name))
    assert words in " ".join(problem.what for problem in found.problems)
    assert found.cure is cure


@pytest.mark.parametrize("name", NOTHING_WRONG)
def test_of_a_plain_video_nothing_is_said(corpus: Corpus, name: str) -> None:
    found = preflight(corpus(name))
    assert found.problems == ()
    assert found.cure is Cure.NONE
    assert not found.variable_rate


def test_rate_and_key_frames_are_those_of_the_frames(corpus: Corpus) -> None:
    assert preflight(corpus("half_rate.mp4")).fps == pytest.approx(15_000 / 1001)
    assert preflight(corpus("uneven.mp4")).variable_rate is True
    assert preflight(corpus("gop10.mp4")).key_frame_gap == 10
    assert preflight(corpus("mjpeg.avi")).key_frame_gap == 1
    assert preflight(corpus("one_key_frame.mp4")).key_frame_gap == NUM_FRAMES


@pytest.mark.parametrize(
    ("narrowest_ms", "widest_ms", "tick_ms", "expected"),
    [
        (40, 40, 0.01, False),
        (33, 34, 1, False),  # thirty a second in milliseconds
        (33, 34, 0.01, False),  # the same, copied into a container that counts finer
        (33, 36, 0.01, True),
        (1, 2, 0.01, True),
        (40, 80, 1, True),
    ],
)
def test_rounding_does_not_make_a_rate_variable(
    narrowest_ms: float, widest_ms: float, tick_ms: float, expected: bool
) -> None:
    spacing = (narrowest_ms / 1000, widest_ms / 1000)
    assert unevenly_spaced(*spacing, tick_s=tick_ms / 1000) is expected


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Begin with nothing remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch, no_memory: None) -> list[Path]:
    """Return a list that grows by a path each time the frames of a video are decoded."""
    paths: list[Path] = []
    frames = Decoder.frames

    def noted(decoder: Decoder) -> Iterator[av.VideoFrame]:
        paths.append(decoder.path)
        return frames(decoder)

    monkeypatch.setattr(Decoder, "frames", noted)
    return paths


def test_frames_are_counted_once(corpus: Corpus, decoded: list[Path]) -> None:
    first = preflight(corpus("uneven.mkv"))
    assert preflight(corpus("uneven.mkv")) == first
    assert len(decoded) == 1
    assert preflight(corpus("uneven.mkv"), again=True) == first
    assert len(decoded) == 2


def test_the_header_alone_decodes_nothing_but_knows_what_was_counted(
    corpus: Corpus, decoded: list[Path]
) -> None:
    path = corpus("uneven.mkv")
    quick = preflight(path, count=False)
    assert (quick.counted, quick.num_frames, quick.problems) == (False, None, ())
    assert not decoded
    counted = preflight(path)
    assert preflight(path, count=False) == counted
    assert len(decoded) == 1


def test_what_is_remembered_goes_with_the_content(
    corpus: Corpus, decoded: list[Path], tmp_path: Path
) -> None:
    for name in ("plain.mkv", "two_sizes.ts"):
        preflight(corpus(name))
    before = len(decoded)
    renamed = shutil.copy(corpus("plain.mkv"), tmp_path / "renamed.mp4")
    assert "ends in .mp4" in preflight(renamed).problems[0].what
    braces = shutil.copy(corpus("two_sizes.ts"), tmp_path / "{0}.ts")
    error = preflight(braces).error
    assert error is not None
    assert error.startswith(f"{braces}: frame 60 is 96 x 64")
    assert len(decoded) == before
    other = shutil.copy(corpus("gop10.mp4"), tmp_path / "renamed.mp4")
    assert preflight(other).key_frame_gap == 10
    assert len(decoded) == before + 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"times": {"no": 1}}'])
def test_a_spoilt_memory_is_passed_over(corpus: Corpus, decoded: list[Path], text: str) -> None:
    first = preflight(corpus("gop10.mp4"))
    (note,) = (user_cache() / "preflight").iterdir()
    note.write_text(text)
    assert preflight(corpus("gop10.mp4")) == first
    assert len(decoded) == 2


def test_a_file_that_grows_meanwhile_is_not_remembered(
    corpus: Corpus, decoded: list[Path], tmp_path: Path
) -> None:
    path = shutil.copy(corpus("plain.mp4"), tmp_path / "growing.mp4")

    def grow(done: int, _: int | None) -> None:
        if done == 30:
            with path.open("ab") as file:
                file.write(bytes(100))

    preflight(path, on_frame=grow)
    preflight(path)
    assert len(decoded) == 2


def test_progress_is_told(corpus: Corpus, no_memory: None) -> None:
    told: list[tuple[int, int | None]] = []
    preflight(corpus("gop10.mp4"), on_frame=lambda done, total: told.append((done, total)))
    assert told == [(number + 1, NUM_FRAMES) for number in range(NUM_FRAMES)]


def test_what_is_no_video_is_a_finding(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.mp4"):
        assert str(path) in str(preflight(path).error)
