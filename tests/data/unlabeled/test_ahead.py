"""What is decoded ahead is in order, bounded in memory, and forgotten when it is not wanted."""

from __future__ import annotations

import os

import pytest

from lightning_pose.data.unlabeled import ahead
from lightning_pose.data.unlabeled.ahead import DecodingAhead

LARGE = ahead.BYTES_AT_MOST // 3


@pytest.fixture(autouse=True)
def _many_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


def begun_by(step: int, *, end: int | None = None, sequence_bytes: int = 1) -> list[int]:
    """Return the steps whose decoding has begun when ``step`` has been asked for."""
    begun: list[int] = []
    decoding = DecodingAhead(begun.append, sequence_bytes=sequence_bytes)
    decoding.take(step, end=end)
    decoding._threads.shutdown()
    return sorted(begun)


@pytest.mark.parametrize(
    ("sequence_bytes", "steps"), [(1, 10), (LARGE, 3), (ahead.BYTES_AT_MOST * 2, 2)]
)
def test_large_sequences_are_decoded_fewer_steps_ahead(sequence_bytes: int, steps: int) -> None:
    assert begun_by(5, sequence_bytes=sequence_bytes) == list(range(5, 5 + steps))


def test_nothing_is_decoded_past_the_end() -> None:
    assert begun_by(5, end=7) == [5, 6]


def test_steps_come_in_the_order_asked_for() -> None:
    decoding = DecodingAhead(lambda step: step * step, sequence_bytes=LARGE)
    assert [decoding.take(step, end=None) for step in (0, 1, 2, 9, 3)] == [0, 1, 4, 81, 9]


@pytest.mark.parametrize(("processes", "threads"), [(1, 8), (8, 4), (100, 1)])
def test_processes_of_one_machine_share_its_processors(processes: int, threads: int) -> None:
    decoding = DecodingAhead(abs, sequence_bytes=1, processes=processes)
    assert decoding._threads._max_workers == threads
