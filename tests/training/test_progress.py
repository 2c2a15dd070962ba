"""What a person sees while a model trains."""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
from tiny import TinyLoader, settings, train_tiny

from lightning_pose.contracts.durations import duration
from lightning_pose.contracts.errors import TrainingError
from lightning_pose.training.progress import TrainingProgress, bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_a_file_gets_a_line_now_and_then_with_error_speed_and_time_left(tmp_path: Path) -> None:
    stream = io.StringIO()
    progress = TrainingProgress(stream, every_s=3.0, clock=Clock())
    train_tiny(tmp_path, settings(max_epochs=4), callbacks=[progress])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 12 / 3 + 1
    assert re.fullmatch(
        r"epoch 3/4  75%  val [\d.]+ px \(best [\d.]+ px in epoch \d\)  loss [\d.e-]+  "
        r"4 frames/s  3 s left",
        lines[2],
    )
    assert re.fullmatch(
        r"4 epochs trained in 13 s, 4 frames/s; best validation error [\d.]+ px in epoch \d",
        lines[-1],
    )
    assert "\r" not in stream.getvalue()


def test_a_terminal_gets_one_line_rewritten(tmp_path: Path) -> None:
    stream = Terminal()
    progress = TrainingProgress(stream, every_s=3.0, clock=Clock())
    train_tiny(tmp_path, settings(max_epochs=4), callbacks=[progress])
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.count("\r") == 5
    assert "━━━━━━━━━━──────────  50%" in text


def test_a_longer_line_leaves_no_rest(tmp_path: Path) -> None:
    stream = Terminal()
    progress = TrainingProgress(stream, every_s=1.0, clock=Clock())
    train_tiny(tmp_path, settings(max_epochs=3), callbacks=[progress])
    lines = stream.getvalue().split("\r")[1:]
    for before, line in itertools.pairwise(lines):
        assert len(line.rstrip("\n")) >= len(before.rstrip())


def test_the_best_error_of_an_interrupted_training_is_shown_again(tmp_path: Path) -> None:
    first = train_tiny(tmp_path, settings(max_epochs=2))
    stream = io.StringIO()
    blind = TinyLoader(5, nan_in_row=0)
    train_tiny(
        tmp_path,
        settings(max_epochs=3),
        val_loader=blind,
        resume_from=tmp_path,
        callbacks=[TrainingProgress(stream)],
    )
    assert f"best validation error {first.val_pixel_error:.2f} px" in stream.getvalue()


def test_an_error_gets_a_line_of_its_own(tmp_path: Path) -> None:
    stream = Terminal()
    progress = TrainingProgress(stream, every_s=1.0, clock=Clock())
    with pytest.raises(TrainingError):
        train_tiny(tmp_path, train_loader=TinyLoader(nan_in_row=3), callbacks=[progress])
    assert stream.getvalue().endswith("\n")


def test_without_validation_no_error_is_shown(tmp_path: Path) -> None:
    stream = io.StringIO()
    progress = TrainingProgress(stream, every_s=2.0, clock=Clock())
    train_tiny(tmp_path, settings(max_epochs=2), val_loader=None, callbacks=[progress])
    assert "px" not in stream.getvalue()


class ManyEpochs(pl.Callback):
    """Notes what the line says in an epoch."""

    def __init__(self, progress: TrainingProgress) -> None:
        self.progress = progress
        self.lines: list[str] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.lines.append(self.progress.line(trainer))


def test_a_resumed_training_shows_its_share_of_the_whole(tmp_path: Path) -> None:
    train_tiny(tmp_path, settings(max_epochs=3))
    progress = TrainingProgress(io.StringIO(), every_s=1.0, clock=Clock())
    watcher = ManyEpochs(progress)
    train_tiny(
        tmp_path, settings(max_epochs=4), resume_from=tmp_path, callbacks=[progress, watcher]
    )
    assert [line.split("  ")[:2] for line in watcher.lines] == [
        ["epoch 4/4", "83%"],
        ["epoch 4/4", "92%"],
        ["epoch 4/4", "100%"],
    ]


def test_bars_and_durations() -> None:
    assert (bar(0.0), bar(1.0)) == ("─" * 20, "━" * 20)
    assert [duration(s) for s in (-1.0, 59.6, 3599.0, 7260.0)] == [
        "0 s",
        "1:00 min",
        "59:59 min",
        "2:01 h",
    ]
