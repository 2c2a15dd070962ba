"""Each video is told of as itself, also where cameras of several days have one name."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightning_pose.cli.predict import preflighting
from lightning_pose.cli.predict.show import Show
from lightning_pose.inference.inputs import Input, Kind
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.progress import Progress

DAYS = ("day1", "day2")


def camera(day: str) -> tuple[Input, ...]:
    return (Input(kind=Kind.VIDEO, path=Path(day) / "cam.mp4"),)


def test_what_is_unusual_is_told_of_the_video_it_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(path: Path, *, count: bool) -> SimpleNamespace:
        problem = SimpleNamespace(what=f"{path.parent} is odd.", then="It is predicted.")
        return SimpleNamespace(problems=[problem])

    monkeypatch.setattr(preflighting, "preflight", found)
    show = Show()
    for day in DAYS:
        show.start(camera(day))
    ended = [show.finish(Outcome(inputs=camera(day))) for day in DAYS]
    assert [outcome.problems for outcome in ended] == [
        (f"cam.mp4: {day} is odd. It is predicted.",) for day in DAYS
    ]


def test_videos_of_one_name_have_a_progress_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    show = Show()
    for seconds, day, done in ((0.0, "day1", 10), (0.0, "day2", 80), (20.0, "day1", 20)):
        clock[0] = seconds
        show.progress(camera(day), Progress(done=done, total=100, seconds=1.0))
    said = capsys.readouterr().err
    assert "20/100 frames" in said
    assert "; predicting cam.mp4 80%" in said
