"""Videos are written whole, with the frames and times given, or not at all."""

from __future__ import annotations

import contextlib
import errno
import subprocess
import sys
import textwrap
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lightning_pose.contracts.errors import VideoError, WriteError
from lightning_pose.video.decode import Decoder
from lightning_pose.video.info import probe
from lightning_pose.video.writer import BT601, VideoWriter
from tests.video.corpus import HEIGHT, WIDTH, numbered_frame, read_number

Corpus = Callable[[str], Path]


def write_numbers(path: Path, numbers: range, **options: object) -> Path:
    size = {"width": WIDTH, "height": HEIGHT} | options
    with VideoWriter(path, **({"fps": 25} | size)) as video:
        for number in numbers:
            video.write(numbered_frame(number, width=size["width"], height=size["height"]))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".webm"])
def test_frames_come_back_in_order(tmp_path: Path, suffix: str) -> None:
    path = write_numbers(tmp_path / f"out{suffix}", range(20))
    assert [read_number(picture.pixels) for picture in Decoder(path)] == list(range(20))
    assert probe(path).fps == 25


def test_colours_come_back(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "out.mp4", range(2), crf=10)
    back = next(iter(Decoder(path))).pixels.astype(int)
    for row, column in [(20, 20), (20, 90), (60, 20), (60, 90)]:
        assert np.abs(back[row, column] - numbered_frame(0)[row, column]).max() <= 4


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (250, Fraction(250)),
        (Fraction(25, 2), Fraction(25, 2)),
        (33.3, Fraction(333, 10)),
    ],
)
def test_the_rate_is_kept(tmp_path: Path, fps: Fraction | float | int, expected: Fraction) -> None:
    assert probe(write_numbers(tmp_path / "out.mp4", range(12), fps=fps)).fps == expected


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    times = [0, 40, 90, 100, 400, 441]
    with VideoWriter(
        tmp_path / "out.mp4", fps=25, width=WIDTH, height=HEIGHT, time_base=Fraction(1, 1000)
    ) as video:
        for number, pts in enumerate(times):
            video.write(numbered_frame(number), pts=pts)
    back = [picture.time_s for picture in Decoder(tmp_path / "out.mp4")]
    assert [float(t) * 1000 for t in back if t is not None] == pytest.approx(times)


def test_an_odd_size_grows_by_its_edge(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "out.mp4", range(3), width=113, height=81, crf=5)
    back = next(iter(Decoder(path))).pixels.astype(int)
    assert back.shape == (82, 114, 3)
    assert np.abs(back[:81, :113] - numbered_frame(0, width=113, height=81)).mean() < 4
    assert np.abs(back[81] - back[80]).mean() < 4


def test_an_odd_size_can_be_kept(tmp_path: Path) -> None:
    path = write_numbers(
        tmp_path / "out.mp4", range(3), width=113, height=81, pixel_format="yuv444p"
    )
    assert (probe(path).width, probe(path).height) == (113, 81)


def test_nothing_is_left_when_the_work_breaks_off(tmp_path: Path) -> None:
    video = VideoWriter(tmp_path / "out.mp4", fps=25, width=WIDTH, height=HEIGHT)
    with contextlib.suppress(RuntimeError), video:
        video.write(numbered_frame(0))
        raise RuntimeError("broke")
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "out.mp4", range(3))
    video = VideoWriter(path, fps=25, width=WIDTH, height=HEIGHT)
    video.write(numbered_frame(9))
    assert sum(1 for _ in Decoder(path)) == 3
    video.close()
    assert sum(1 for _ in Decoder(path)) == 1


def test_a_video_without_frames_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(WriteError, match="no frame"),
        VideoWriter(tmp_path / "out.mp4", fps=25, width=WIDTH, height=HEIGHT),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_wrong_frames_and_times_are_named(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", fps=25, width=WIDTH, height=HEIGHT) as video:
        video.write(numbered_frame(0), pts=5)
        with pytest.raises(VideoError, match="frame 1 should be uint8"):
            video.write(numbered_frame(1, width=WIDTH + 2))
        with pytest.raises(VideoError, match="not after"):
            video.write(numbered_frame(1), pts=5)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("out.mp4", {"fps": 0}, "positive frame rate"),
        ("out.mp4", {"width": 0}, "0 x 80"),
        ("out.xyz", {}, "should end in a video format"),
        ("out.mp4", {"codec": "no_such_codec"}, "no_such_codec"),
        ("out.avi", {"time_base": Fraction(1, 1000)}, "AVI"),
    ],
)
def test_impossible_wishes_are_refused(
    tmp_path: Path, name: str, options: dict[str, object], reason: str
) -> None:
    wishes = {"fps": 25, "width": WIDTH, "height": HEIGHT} | options
    with pytest.raises(VideoError, match=reason):
        VideoWriter(tmp_path / name, **wishes)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"out\.mp4 was not written"):
        VideoWriter(tmp_path / "file" / "out.mp4", fps=25, width=WIDTH, height=HEIGHT)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk:
        def mux(self, packets: object) -> None:
            raise av.error.OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            return None

    video = VideoWriter(tmp_path / "out.mp4", fps=25, width=WIDTH, height=HEIGHT)
    video.write(numbered_frame(0))
    monkeypatch.setattr(video, "_container", FullDisk())
    with pytest.raises(WriteError, match="the disk is full"):
        video.close()
    assert list(tmp_path.iterdir()) == []


def test_a_limit_met_while_writing_leaves_nothing(tmp_path: Path) -> None:
    """The system's limit on file size stands in for a full disk, in a process of its own."""
    program = """
        import resource, signal, sys
        import numpy as np
        from lightning_pose.contracts.errors import WriteError
        from lightning_pose.video.writer import BT601, VideoWriter

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        noise = np.random.default_rng(0)
        try:
            with VideoWriter(sys.argv[1], fps=25, width=200, height=200) as video:
                for _ in range(40):
                    video.write(noise.integers(0, 255, (200, 200, 3), dtype=np.uint8))
        except WriteError as error:
            sys.exit("refused: " + str(error))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "out.mp4")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert "refused: " in done.stderr
    assert "out.mp4 was not written" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_decoded_frames_are_taken_as_they_are_stored(corpus: Corpus, tmp_path: Path) -> None:
    decoder = Decoder(corpus("gop10.mp4"))
    with VideoWriter(
        tmp_path / "copy.mp4",
        fps=25,
        width=WIDTH,
        height=HEIGHT,
        crf=0,
        key_frame_every=7,
        colours=BT601,
        comment="a copy",
    ) as video:
        for frame in decoder.frames():
            video.write_stored(frame)
    pairs = zip(Decoder(corpus("gop10.mp4")), Decoder(tmp_path / "copy.mp4"), strict=True)
    assert all((one.pixels == other.pixels).all() for one, other in pairs)
    info = probe(tmp_path / "copy.mp4")
    assert info.key_frame_gap == 7
    assert info.colour_matrix == BT601
    with av.open(str(tmp_path / "copy.mp4")) as copy:
        assert copy.metadata["comment"] == "a copy"


def test_frames_stored_otherwise_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "copy.mp4", fps=25, width=WIDTH, height=HEIGHT) as video:
        video.write(np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8))
        for name in ("small.mp4", "ten_bit.mp4"):
            with pytest.raises(VideoError, match="not as yuv420p, 112 x 80"):
                video.write_stored(next(iter(Decoder(corpus(name)).frames())))
