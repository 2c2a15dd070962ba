"""Labelled videos: the same frames and times, with dots where the keypoints are."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import ConfigError, VideoError
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.video.decode import Decoder
from lightning_pose.video.info import probe
from lightning_pose.video.overlay import Painter, draw_labeled_video, keypoint_colors
from tests.video.corpus import NUM_FRAMES, encode, read_number

Corpus = Callable[[str], Path]
CENTER = (56.0, 60.0)


def still(num_frames: int = NUM_FRAMES, *, confidence: tuple[float, ...] = (1.0,)) -> Predictions:
    """Return keypoints that stay at the middle of the lower half."""
    k = len(confidence)
    return Predictions(
        xy_img=np.tile(np.array(CENTER, dtype=np.float32), (num_frames, k, 1)),
        confidence=np.tile(np.array(confidence, dtype=np.float32), (num_frames, 1)),
        keypoint_names=tuple(f"point{i}" for i in range(k)),
        frame_ids=np.arange(num_frames),
    )


def changed(before: np.ndarray, after: np.ndarray) -> bool:
    """Tell whether there is a dot at the keypoint."""
    row, column = int(CENTER[1]), int(CENTER[0])
    return bool(np.abs(before[row, column].astype(int) - after[row, column]).max() > 40)


def frames_of(path: Path) -> list[np.ndarray]:
    return [picture.pixels.copy() for picture in Decoder(path)]


@pytest.mark.parametrize("name", ["gop10.mp4", "plain.mkv", "plain.ts", "mjpeg.avi", "vp9.webm"])
def test_every_frame_gets_its_dot(corpus: Corpus, tmp_path: Path, name: str) -> None:
    out = draw_labeled_video(corpus(name), tmp_path / "out.mp4", still())
    before, after = frames_of(corpus(name)), frames_of(out)
    assert len(after) == NUM_FRAMES
    assert all(changed(a, b) for a, b in zip(before, after, strict=True))
    assert probe(out).fps == 25


def numbers_of(path: Path) -> list[int]:
    """Return the numbers that the frames of a video show, whichever way up they are."""
    frames = frames_of(path)
    turns = next(turns for turns in range(4) if read_number(np.rot90(frames[0], turns)) >= 0)
    return [read_number(np.rot90(frame, turns)) for frame in frames]


@pytest.mark.parametrize("part", [range(NUM_FRAMES), range(20, 45)])
@pytest.mark.parametrize(
    "name",
    [
        *("gop10.mp4", "uneven.mp4", "uneven.mkv", "late_start.mp4", "b_frames.avi", "hevc.mp4"),
        *("turned_90.mp4", "turned_180.mp4", "turned_270.mp4", "edit_list.mp4", "open_gop.ts"),
    ],
)
def test_each_frame_of_the_source_is_there_once_and_at_its_time(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: range
) -> None:
    monkeypatch.setattr(Painter, "_write", lambda *_: None)  # it covers the numbers
    source = corpus(name)
    expected = numbers_of(source)
    assert expected == list(range(expected[0], expected[0] + len(expected)))
    frames = range(len(expected))[part.start : part.stop]
    out = draw_labeled_video(
        source,
        tmp_path / "out.mp4",
        still(len(expected)),
        frames=None if frames == range(len(expected)) else frames,
    )
    assert numbers_of(out) == expected[frames.start : frames.stop]
    before = [picture.time_s for picture in Decoder(source)][frames.start : frames.stop]
    if source.suffix == ".avi":  # it holds no display times
        before = [Fraction(number, 25) for number in frames]
    after = [picture.time_s for picture in Decoder(out)]
    for a, b in zip(before, after, strict=True):
        since_a, since_b = (a or 0) - (before[0] or 0), (b or 0) - (after[0] or 0)
        assert abs(since_a - since_b) <= Fraction(1, 1000)


def test_frame_times_of_an_uneven_video_are_kept(corpus: Corpus, tmp_path: Path) -> None:
    out = draw_labeled_video(corpus("uneven.mp4"), tmp_path / "out.mp4", still())
    before = [picture.time_s for picture in Decoder(corpus("uneven.mp4"))]
    after = [picture.time_s for picture in Decoder(out)]
    for a, b in zip(before, after, strict=True):
        assert a is not None
        assert b is not None
        assert abs(a - b) <= Fraction(1, 1000)


def test_a_television_rate_from_rounded_times_comes_out_even(tmp_path: Path) -> None:
    source = encode(tmp_path / "in.mkv", range(30), fps=Fraction(30000, 1001))
    out = draw_labeled_video(source, tmp_path / "out.mp4", still(30))
    times = [picture.time_s for picture in Decoder(out)]
    assert [t * Fraction(30000, 1001) for t in times if t is not None] == list(range(30))


def test_unsure_and_missing_keypoints_are_not_drawn(corpus: Corpus, tmp_path: Path) -> None:
    source = corpus("gop10.mp4")
    unsure = draw_labeled_video(source, tmp_path / "a.mp4", still(confidence=(0.5,)))
    assert not changed(frames_of(source)[9], frames_of(unsure)[9])
    lower = draw_labeled_video(
        source, tmp_path / "b.mp4", still(confidence=(0.5,)), confidence_threshold=0.4
    )
    assert changed(frames_of(source)[9], frames_of(lower)[9])
    nowhere = still()
    nowhere.xy_img[:] = np.nan
    missing = draw_labeled_video(source, tmp_path / "c.mp4", nowhere)
    assert not changed(frames_of(source)[9], frames_of(missing)[9])


def test_keypoints_of_unknown_confidence_are_drawn(corpus: Corpus, tmp_path: Path) -> None:
    source = corpus("gop10.mp4")
    out = draw_labeled_video(source, tmp_path / "out.mp4", still(confidence=(float("nan"),)))
    assert changed(frames_of(source)[9], frames_of(out)[9])


@pytest.mark.parametrize("part", [None, range(30, 40)])
def test_dots_are_those_of_the_frame(corpus: Corpus, tmp_path: Path, part: range | None) -> None:
    walk = still()
    walk.xy_img[:, 0, 0] = 65 + np.arange(NUM_FRAMES) % 3 * 15
    out = draw_labeled_video(corpus("gop10.mp4"), tmp_path / "out.mp4", walk, frames=part)
    before = frames_of(corpus("gop10.mp4"))
    for number, after in zip(part or range(NUM_FRAMES), frames_of(out), strict=True):
        difference = np.abs(after.astype(int) - before[number])[50:70].sum(axis=(0, 2))
        places = np.flatnonzero(difference > difference.max() / 2)
        assert places.mean() == pytest.approx(65 + number % 3 * 15, abs=2)


def test_a_snippet_holds_only_its_frames(corpus: Corpus, tmp_path: Path) -> None:
    told: list[int] = []
    out = draw_labeled_video(
        corpus("gop10.mp4"),
        tmp_path / "out.mp4",
        still(),
        frames=range(20, 35),
        on_frame=told.append,
    )
    assert len(frames_of(out)) == 15
    assert told == list(range(1, 16))
    assert Decoder(out).info.fps == 25


def test_a_turned_video_is_drawn_upright(corpus: Corpus, tmp_path: Path) -> None:
    out = draw_labeled_video(corpus("turned_90.mp4"), tmp_path / "out.mp4", still())
    assert (probe(out).width, probe(out).height) == (80, 112)
    assert changed(frames_of(corpus("turned_90.mp4"))[0], frames_of(out)[0])


@pytest.mark.parametrize("rows", [NUM_FRAMES - 1, NUM_FRAMES + 1])
def test_predictions_of_another_video_are_refused(
    corpus: Corpus, tmp_path: Path, rows: int
) -> None:
    with pytest.raises(VideoError, match=f"have {rows} rows"):
        draw_labeled_video(corpus("gop10.mp4"), tmp_path / "out.mp4", still(rows))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_colour_map_names_the_nearest(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'viridis'"):
        draw_labeled_video(corpus("gop10.mp4"), tmp_path / "out.mp4", still(), colormap="virids")


@pytest.mark.parametrize("number", [1, 2, 17])
def test_each_keypoint_has_its_own_colour(number: int) -> None:
    colors = keypoint_colors(number, "cool")
    assert len({tuple(color) for color in colors.tolist()}) == number


@pytest.mark.parametrize(("height", "width"), [(16, 16), (80, 112), (1080, 1920)])
def test_dots_are_where_the_keypoints_are(height: int, width: int) -> None:
    picture = np.full((height, width, 3), 128, dtype=np.uint8)
    x, y = width * 0.75, height * 0.7
    painter = Painter.for_size(height, width, colors=keypoint_colors(1, "cool"))
    painter.draw(picture, np.array([[x, y]]))
    rows, columns = np.nonzero(np.abs(picture.astype(int) - 128).sum(-1))
    assert columns.mean() == pytest.approx(x, abs=0.5)
    assert rows.mean() == pytest.approx(y, abs=0.5)


def test_keypoints_far_outside_do_no_harm() -> None:
    picture = np.full((40, 40, 3), 128, dtype=np.uint8)
    painter = Painter.for_size(40, 40, colors=keypoint_colors(2, "cool"))
    painter.draw(picture, np.array([[1e9, -1e9], [np.inf, np.nan]]))
    assert (picture == 128).all()
