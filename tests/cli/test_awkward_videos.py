"""Each awkward video gets one row a decodable frame, of that frame, or one clear error."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.cli.predict import predicting
from lightning_pose.cli.predict.predicting import PredictRequest, predict_and_report
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.video.preflight import Preflight, preflight
from lightning_pose.video.repair import repair
from lightning_pose.video.video_problems import Cure
from tests.inference.test_predict_files import number_model
from tests.video.corpus import BITS, BLOCK, read_number
from tests.video.corpus_more import EVERY, NEVER_READABLE

Corpus = Callable[[str], Path]
Predict = Callable[[Path], "Predictions | str"]

# A few of those that are hard; all of them take a minute.
SOME = [
    "empty.mp4",
    "cut_index.mp4",
    "cut_fragmented.mp4",
    "spoilt.mkv",
    "no_first_key.mp4",
    "two_sizes.mp4",
    "edit_list.mp4",
    "uneven.mkv",
    "joined.ts",
    "really_mkv.avi",
    "b_frames.avi",
    "turned_90.mp4",
]
REPAIRED = ["uneven.mkv", "really_mkv.avi", "spoilt.mkv"]
# Rows of pictures that decoders patch up, each version of FFmpeg in its way.
PATCHED = {
    "spoilt.mkv": range(25, 28),
    "spoilt_key.mp4": range(20, 30),
    "spoilt_bit.mp4": range(20, 30),
    "spoilt_bit.mkv": range(20, 30),
}
needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the ffmpeg program is not installed"
)


def long_unless_in(names: list[str]) -> list[object]:
    """Return every video of the corpus, those of a kind with another marked as long."""
    return [n if n in names else pytest.param(n, marks=pytest.mark.long) for n in sorted(EVERY)]


@pytest.fixture
def predict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Predict:
    """Return a function that predicts with the command: the table, or the error it ended with.

    The model places its first keypoint at (n, n) where n is the number drawn in the frame.
    """

    def predicted(video: Path) -> Predictions | str:
        found = preflight(video, count=False)
        size = (found.width or 112, found.height or 80)
        folder = tmp_path / f"of_{video.parent.name}_{video.name}"
        model = number_model(folder / "run", size=size)
        (folder / "run" / "config.yaml").write_text("data: {}\n")
        monkeypatch.setattr(predicting, "open_model", lambda *_, **__: model)
        out = folder / "out"
        request = PredictRequest(model="run", inputs=(video,), out=out, metrics=False)
        code = predict_and_report(request)
        said = capsys.readouterr().err
        written = sorted(out.glob("*")) if out.exists() else []
        if code == 0:
            assert [file.suffix for file in written] == [".csv", ".json"]
            return Predictions.read(written[0])
        assert code == 1
        assert written == []
        assert said.count("litpose: ") == 1
        assert "Traceback" not in said
        return said

    return predicted


def frames_of_ffmpeg(path: Path, found: Preflight) -> np.ndarray:
    """Return the frames that the program ffmpeg gives, as RGB."""
    command = ["ffmpeg", "-v", "quiet", "-i", str(path), "-vsync", "passthrough"]
    raw = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=False
    )
    frames = np.frombuffer(raw.stdout, dtype=np.uint8)
    return frames.reshape(-1, found.height, found.width, 3)


def check_rows(video: Path, found: Predictions) -> None:
    """Check that there is a row for each frame, made of that frame."""
    told = preflight(video)
    assert found.frame_ids.tolist() == list(range(len(found)))
    assert len(found) == told.num_frames
    frames = frames_of_ffmpeg(video, told)
    assert len(found) == len(frames)
    if told.width < (BITS + 1) * BLOCK or told.rotation:  # the number is not where it is read
        return
    numbers = np.array([read_number(frame) for frame in frames])
    whole = numbers >= 0  # else the picture is damaged
    whole[list(PATCHED.get(video.name, ()))] = False
    assert whole.any()
    assert (found.xy_img[whole, 0, 0] == numbers[whole]).all()


@needs_ffmpeg
@pytest.mark.parametrize("name", long_unless_in(SOME))
def test_rows_are_those_of_the_frames_or_there_is_one_error(
    corpus: Corpus, predict: Predict, name: str
) -> None:
    found = predict(corpus(name))
    if name in NEVER_READABLE:
        assert isinstance(found, str)
        assert name.split(".")[0] in found
    else:
        assert isinstance(found, Predictions)
        check_rows(corpus(name), found)


@pytest.mark.parametrize(
    "name",
    [n if n in REPAIRED else pytest.param(n, marks=pytest.mark.long) for n in sorted(EVERY)],
)
def test_a_repaired_copy_is_predicted_alike(
    corpus: Corpus, predict: Predict, tmp_path: Path, name: str
) -> None:
    told = preflight(corpus(name))
    if told.error is not None or told.cure is Cure.NONE:
        assert name not in REPAIRED
        return
    made = repair(corpus(name), tmp_path / "repaired")
    assert made is not None
    one, other = predict(corpus(name)), predict(made.path)
    assert isinstance(one, Predictions)
    assert isinstance(other, Predictions)
    assert len(one) == len(other) == told.num_frames
    clear = np.ones(len(one), dtype=bool)
    clear[list(PATCHED.get(name, ()))] = False  # blocks neither black nor white
    assert np.array_equal(one.xy_img[clear], other.xy_img[clear], equal_nan=True)
