"""`litpose preflight`: what it prints, what it returns, what `litpose predict` says of it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_pose.cli.main import main
from lightning_pose.cli.predict import predicting
from lightning_pose.cli.predict.predicting import PredictRequest, predict_and_report
from lightning_pose.cli.predict.show import Show
from lightning_pose.inference.inputs import Input, Kind
from lightning_pose.inference.outcome import Outcome
from tests.cli.conftest import litpose
from tests.inference.test_predict_files import number_model

Corpus = Callable[[str], Path]
FIT, NOT_FIT, WRONG_USAGE = 0, 1, 2


def test_every_video_has_a_row_and_every_problem_a_sentence(corpus: Corpus) -> None:
    done = litpose("preflight", corpus("plain.mp4"), corpus("uneven.mkv"))
    assert done.code == FIT
    header, _, plain, uneven, *sentences = done.out.splitlines()
    assert header.split()[:4] == ["video", "verdict", "frames", "size"]
    assert plain.split()[:6] == ["plain.mp4", "fit", "60", "112", "x", "80"]
    assert uneven.split()[:4] == ["uneven.mkv", "see", "below", "60"]
    said = " ".join(" ".join(sentences).split())
    assert said.startswith("uneven.mkv: Its frames are unevenly spaced: 8 to 542 ms")
    assert "Rows count frames, not time" in said
    assert "--fix DIR writes a repaired copy of 1 video." in done.sentences


def test_one_that_cannot_be_predicted_is_told_and_fails(corpus: Corpus) -> None:
    done = litpose("preflight", corpus("plain.mp4"), corpus("cut_index.mp4"))
    assert done.code == NOT_FIT
    assert done.err.count("litpose: ") == 1
    assert "moov" in done.sentences
    assert "cannot be predicted" in done.out
    assert " fit " in done.out


def test_json_says_it_all(corpus: Corpus, tmp_path: Path) -> None:
    videos = [corpus("turned_90.mp4"), corpus("two_sizes.ts")]
    done = litpose("preflight", *videos, "--json", "--fix", tmp_path / "out")
    assert done.code == NOT_FIT
    turned, changing = done.json
    assert (turned["num_frames"], turned["rotation"], turned["counted"]) == (60, 270, True)
    assert turned["problems"][0]["cure"] == "encoding"
    assert turned["repaired"]["path"] == str(tmp_path / "out" / "turned_90.mp4")
    assert changing["repaired"] is None
    assert "frame 60 is 96 x 64" in changing["error"]


def test_fix_writes_copies_that_need_no_repair(corpus: Corpus, tmp_path: Path) -> None:
    same_stem = tmp_path / "in"
    same_stem.mkdir()
    for name in ("two_tracks.mp4", "two_tracks.mkv"):
        shutil.copy(corpus(name), same_stem)
    done = litpose("preflight", same_stem, "--fix", tmp_path / "out")
    assert done.code == FIT
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["two_tracks_mkv.mp4", "two_tracks_mp4.mp4"]
    assert "60 frames, its pictures copied" in " ".join(done.out.split())
    again = litpose("preflight", same_stem, "--fix", tmp_path / "out")
    assert "there already" in again.out
    of_copies = litpose("preflight", tmp_path / "out", "--fix", tmp_path / "more")
    assert "No video calls for a repaired copy." in of_copies.sentences
    assert not (tmp_path / "more").exists()


def test_a_repair_that_fails_does_not_keep_the_others_from_it(
    corpus: Corpus, tmp_path: Path
) -> None:
    (tmp_path / "uneven.mp4").write_text("mine")
    done = litpose("preflight", corpus("uneven.mp4"), corpus("ten_bit.mp4"), "--fix", tmp_path)
    assert done.code == NOT_FIT
    assert "uneven.mp4 is there already" in done.sentences
    assert (tmp_path / "uneven.mp4").read_text() == "mine"
    assert (tmp_path / "ten_bit.mp4").exists()


def test_it_starts_without_torch() -> None:
    code = "import sys, lightning_pose.cli.predict.preflighting; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_quick_counts_nothing(corpus: Corpus, tmp_path: Path) -> None:
    video = shutil.copy(corpus("small.mp4"), tmp_path / "small.mp4")
    with video.open("ab") as file:
        file.write(b"of other content")
    done = litpose("preflight", video, "--quick")
    assert "fit by its header" in done.out
    assert "30 by index" in done.out
    assert litpose("preflight", video, "--quick", "--fix", tmp_path).code == WRONG_USAGE


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("scorer\n")
    done = litpose("preflight", tmp_path / "labels.csv")
    assert done.code == NOT_FIT
    assert "labels.csv is no video" in done.sentences


def test_predict_says_beforehand_what_it_will_do(
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = number_model(tmp_path / "run")
    (tmp_path / "run" / "config.yaml").write_text("data: {}\n")
    monkeypatch.setattr(predicting, "open_model", lambda *_, **__: model)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    videos = (corpus("uneven.mp4"), corpus("spoilt.avi"), corpus("plain.mp4"))

    def predicted(out: str) -> tuple[list[list[str]], str]:
        request = PredictRequest(model="run", inputs=videos, out=tmp_path / out, metrics=False)
        assert predict_and_report(request, as_json=True) == 0
        said = capsys.readouterr()
        return [one["problems"] for one in json.loads(said.out)], " ".join(said.err.split())

    (uneven, spoilt, plain), said = predicted("first")
    assert uneven == [
        "uneven.mp4: Its frames are unevenly spaced: 8 to 542 ms. Rows count frames, not time; a "
        "labelled video keeps the time of each frame."
    ]
    assert len(spoilt) == 1
    assert spoilt[0].startswith("1 of 60 frames could not be decoded")
    assert plain == []
    assert said.count("unevenly spaced") == said.count("could not be decoded") == 1

    litpose("preflight", *videos)  # counts, so that damage is known beforehand
    (_, spoilt, _), said = predicted("second")
    assert len(spoilt) == 1
    assert spoilt[0].startswith("spoilt.avi: 1 of 60 frames could not be decoded")
    assert "the others get none" in spoilt[0]
    assert said.count("could not be decoded") == 1


def test_two_videos_of_one_name_are_told_apart(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    both = []
    for folder, name in (("a", "ten_bit.mp4"), ("b", "uneven.mp4")):
        (tmp_path / folder).mkdir()
        shutil.copy(corpus(name), tmp_path / folder / "day.mp4")
        both.append((Input(kind=Kind.VIDEO, path=tmp_path / folder / "day.mp4"),))
    show = Show()
    for inputs in both:
        show.start(inputs)
    (first,), (second,) = [show.finish(Outcome(inputs=inputs)).problems for inputs in both]
    assert "have 10 bits" in first
    assert "unevenly spaced" in second


@pytest.mark.parametrize("stream", ["ascii", "closed"])
def test_a_stream_that_takes_not_every_name_stops_nothing(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    odd = Path(shutil.copy(corpus("plain.mp4"), tmp_path / "m\u00e4u\x1b[31m\nse\udcff.mp4"))
    raw = io.BytesIO()
    ascii_only = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only if stream == "ascii" else None)
    assert main(["preflight", str(odd)]) == FIT
    assert (b"m\\xe4u\\x1b[31m\\nse\\udcff.mp4" in raw.getvalue()) == (stream == "ascii")
