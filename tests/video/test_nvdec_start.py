"""Decoders are made while a model is read, and nothing of it outlives the command."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lightning_pose.ops.recording import Recordings
from lightning_pose.video import nvdec_start
from lightning_pose.video.nvdec_decoders import DecoderKind
from lightning_pose.video.nvdec_reader import NvdecReader
from lightning_pose.video.nvdec_start import decoders_prepared
from lightning_pose.video.segments import DamagedError

NUMBER, BATCH_SIZE = 3, 400
THREAD = "litpose-warm"


class Reader(NvdecReader):
    """A reader that would be used, with more segments than decoders are wanted."""

    @classmethod
    def usable(cls, video: Path, *, device: torch.device | str = "cpu") -> str | None:
        return None


def is_preparing() -> bool:
    return any(thread.name == THREAD for thread in threading.enumerate())


class Making:
    """Stands for all decoders: notes which spans one is begun at."""

    def __init__(self, *, there: int = 0, error: Exception | None = None) -> None:
        self.there, self.error = there, error
        self.begun: list[int] = []
        self.kinds: set[DecoderKind] = set()
        self.recordings = Recordings()
        self.spared = True
        self.first_made, self.go_on = threading.Event(), threading.Event()

    @contextmanager
    def another(self, kind: DecoderKind, *, at_most: int) -> Iterator[object]:
        self.kinds.add(kind)
        made = self.there + len(self.begun) < at_most
        yield SimpleNamespace(begin=self._begin, frames=lambda n: None) if made else None

    def _begin(self, video: Path, table: object, span: object) -> None:
        if self.error is not None:
            self.first_made.set()
            raise self.error
        self.spared = self.spared and self.recordings._disturbing == 1
        self.begun.append(getattr(span, "start", -1))
        self.first_made.set()
        self.go_on.wait(20)


@pytest.fixture
def prepared(
    corpus: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Making], contextmanager[None]]:
    """Return what prepares three decoders for a short video, on a GPU that is said to be."""
    monkeypatch.setattr(nvdec_start, "NvdecReader", Reader)
    monkeypatch.setattr(nvdec_start, "room_on", lambda gpu: 10**9)
    monkeypatch.setattr(nvdec_start.ERRORS, "listening", nullcontext)
    monkeypatch.setattr("lightning_pose.video.segments.SEGMENT_FRAMES", 8)
    monkeypatch.setattr("lightning_pose.video.segments._REACH", 4)

    def of(making: Making) -> object:
        monkeypatch.setattr(nvdec_start, "DECODERS", making)
        monkeypatch.setattr(nvdec_start, "RECORDINGS", making.recordings)
        return decoders_prepared(
            corpus("gop10.mp4"),
            device=torch.device("cuda", 0),
            number=NUMBER,
            batch_size=BATCH_SIZE,
        )

    return of  # pyright: ignore


def test_as_many_as_are_wanted_where_threads_begin_to_read(
    prepared: Callable[[Making], object],
) -> None:
    making = Making()
    making.go_on.set()
    with prepared(making):  # pyright: ignore
        end = time.monotonic() + 20
        while len(making.begun) < NUMBER and time.monotonic() < end:
            time.sleep(0.01)
    assert not is_preparing()
    assert making.begun == [0, 10, 10]
    assert [(kind.gpu, kind.buffered) for kind in making.kinds] == [(0, BATCH_SIZE)]
    assert making.spared  # nothing is recorded meanwhile


def test_no_more_than_readers_have_left(prepared: Callable[[Making], object]) -> None:
    making = Making(there=2)
    making.go_on.set()
    with prepared(making):  # pyright: ignore
        assert making.first_made.wait(20)
    assert making.begun == [0]


def test_a_command_that_ends_early_waits_for_the_one_that_is_being_made(
    prepared: Callable[[Making], object],
) -> None:
    making = Making()

    def command() -> None:
        with prepared(making):  # pyright: ignore
            assert making.first_made.wait(20)
            threading.Timer(0.2, making.go_on.set).start()
            raise ValueError("there is no such model")

    with pytest.raises(ValueError, match="no such model"):
        command()
    assert making.go_on.is_set()
    assert making.begun == [0]
    assert not is_preparing()


@pytest.mark.parametrize("error", [DamagedError("no frame"), RuntimeError("CUDA")])
def test_what_goes_wrong_is_left_to_whoever_reads_the_video(
    error: Exception,
    prepared: Callable[[Making], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    making, unheard = Making(error=error), list[object]()
    monkeypatch.setattr(threading, "excepthook", unheard.append)
    with prepared(making):  # pyright: ignore
        assert making.first_made.wait(20)
    assert not is_preparing()
    assert making.begun == unheard == []


def test_a_command_that_has_ended_already_makes_none(
    prepared: Callable[[Making], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    making, asked, ended = Making(), threading.Event(), threading.Event()

    def usable(*_: object, **__: object) -> None:
        asked.set()
        ended.wait(20)

    monkeypatch.setattr(Reader, "usable", usable)
    with prepared(making):  # pyright: ignore
        assert asked.wait(20)
        threading.Timer(0.2, ended.set).start()
    assert not is_preparing()
    assert making.kinds == set()
