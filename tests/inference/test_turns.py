"""What needs no decoder comes in its turn: told soon, held a few at a time, given up at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightning_pose.contracts.errors import WriteError
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.inputs import expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.model_files import ModelFiles
from lightning_pose.inference.outputs import OutputSettings
from lightning_pose.inference.predict_files import predict_files
from lightning_pose.inference.row_store import RowStore
from tests.inference.batch_worker import number_run
from tests.inference.number_tracker import number_tracker
from tests.video.corpus import encode

MANY = 30


@pytest.fixture
def model(tmp_path: Path) -> Model:
    files = ModelFiles.find(number_run(tmp_path / "run"))
    return Model(number_tracker(), compute=Compute.choose(device="cpu"), files=files)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of many short videos."""
    (tmp_path / "videos").mkdir()
    for number in range(MANY):
        encode(tmp_path / "videos" / f"v{number}.mp4", [number, number + 1])
    return tmp_path / "videos"


def begun_before_first(model: Model, folder: Path, out: Path, **wishes: Any) -> int:
    """Return how many inputs were begun when the first outcome came; check that all came."""
    begun: list[object] = []
    outcomes = predict_files(
        model,
        expand_inputs([folder]),
        out=out,
        outputs=OutputSettings(**wishes),
        on_start=begun.append,
    )
    next(outcomes)
    number = len(begun)
    rest = list(outcomes)
    assert (len(rest), len(begun)) == (MANY - 1, MANY)
    assert all(outcome.failed is None for outcome in rest)
    return number


def test_what_is_there_already_is_told_one_after_the_other(
    model: Model, folder: Path, tmp_path: Path
) -> None:
    begun_before_first(model, folder, tmp_path / "out")
    assert begun_before_first(model, folder, tmp_path / "out") < 12
    assert begun_before_first(model, folder, tmp_path / "out", formats=("csv", "h5")) < 20
    assert not list((tmp_path / "out").glob(".*"))


def test_few_files_are_open_however_many_videos_cannot_be_opened(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "videos").mkdir()
    for number in range(MANY):
        (tmp_path / "videos" / f"v{number}.mp4").write_bytes(b"")
    opened: set[RowStore] = set()
    most = 0
    begin, close = RowStore.__init__, RowStore.close

    def begin_and_count(store: RowStore, *args: Any, **kwargs: Any) -> None:
        nonlocal most
        begin(store, *args, **kwargs)
        opened.add(store)
        most = max(most, len(opened))

    def close_and_count(store: RowStore) -> None:
        close(store)
        opened.discard(store)

    monkeypatch.setattr(RowStore, "__init__", begin_and_count)
    monkeypatch.setattr(RowStore, "close", close_and_count)
    found = list(predict_files(model, expand_inputs([tmp_path / "videos"]), out=tmp_path / "out"))
    assert [outcome.failed is None for outcome in found] == [False] * MANY
    assert most < 16


def test_an_interruption_waits_for_no_drawing(
    model: Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun_before_first(model, folder, tmp_path / "out")
    given_up: list[bool] = []
    main = threading.get_ident()

    def draw_on_and_on(*_: object, on_frame: Callable[[int], object], **__: object) -> None:
        until = time.monotonic() + 5
        try:
            while time.monotonic() < until:
                on_frame(1)
                time.sleep(0.01)
        except WriteError:
            given_up.append(True)
            raise
        given_up.append(False)

    monkeypatch.setattr("lightning_pose.inference.products.draw_labeled_video", draw_on_and_on)
    outputs = OutputSettings(labeled_video=True)
    timer = threading.Timer(1.0, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(predict_files(model, expand_inputs([folder]), out=tmp_path / "out", outputs=outputs))
    assert given_up
    assert all(given_up)
