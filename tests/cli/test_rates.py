"""The rates and waits that are told of a prediction are those of the clock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lightning_pose.cli.predict.reporting import report
from lightning_pose.cli.terminal import ProgressLine
from lightning_pose.inference.inputs import Input, Kind
from lightning_pose.inference.outcome import Outcome


def outcome(name: str, *, new: int = 1000, seconds: float, waited_s: float = 0.0) -> Outcome:
    return Outcome(
        inputs=(Input(kind=Kind.VIDEO, path=Path(name)),),
        num_frames=1000,
        num_predicted=new,
        seconds=seconds,
        waited_s=waited_s,
    )


def told(capsys: pytest.CaptureFixture[str], *outcomes: Outcome, wall_s: float) -> list[str]:
    report(outcomes, Path("out"), wall_s=wall_s)
    return capsys.readouterr().out.splitlines()


def test_the_wait_for_decode_is_that_of_the_clock(capsys: pytest.CaptureFixture[str]) -> None:
    """Eight videos at once, each at work all the time: of ten seconds nine were waited."""
    eight = [outcome(f"v{i}.mp4", seconds=10.0, waited_s=9 / 8) for i in range(8)]
    sums = told(capsys, *eight, wall_s=10.0)[-2]
    assert "8000 frames in 10 s, 800.0 frames/s, 90% of the time waiting for decode" in sums


def test_rows_of_an_earlier_call_are_no_speed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, outcome("v.mp4", new=10, seconds=1.0), wall_s=2.0)
    assert lines[2].split()[:3] == ["v.mp4", "done", "1000"]
    assert lines[2].split()[-1] == "10.00"
    assert "; 10 frames in 2 s, 5.0 frames/s" in lines[-2]


def test_the_bar_tells_the_rate_of_now(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    line = ProgressLine("predicting")
    now = 20.0
    line.update(1000, 1200, before=900)
    assert "1000/1200 frames  5.0/s  40 s left" in capsys.readouterr().err


def test_names_that_occur_twice_are_told_apart_and_long_ones_shortened(
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = ("a/v.mp4", "b/v.mp4", "c/w.mp4", f"{'long' * 60}.mp4")
    lines = told(capsys, *(outcome(path, seconds=1.0) for path in paths), wall_s=0.24)
    assert [line.split()[0] for line in lines[2:5]] == ["a/v.mp4", "b/v.mp4", "w.mp4"]
    assert max(map(len, lines)) < 120
    assert lines[5].split()[0].endswith("long.mp4")
    assert "frames in 0.2 s" in lines[-2]
