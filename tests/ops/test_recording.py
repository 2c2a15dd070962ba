"""Recording on a GPU and what would spoil it keep out of each other's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch

from lightning_pose.contracts.once import Once
from lightning_pose.ops.recording import Recordings, after_failed_recording

LONG_S = 30.0  # what never takes so long


def in_threads(works: Sequence[Callable[[], object]]) -> None:
    """Do all at a time; fail where one does not end."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert not any(thread.is_alive() for thread in threads)


def test_nobody_disturbs_a_recording() -> None:
    recordings = Recordings()
    disturbing, recording, seen = [0], [0], []
    lock = threading.Lock()

    def disturb(_: int) -> None:
        with recordings.disturbing():
            with lock:
                disturbing[0] += 1
                seen.append((disturbing[0], recording[0]))
            time.sleep(0.0005)
            with lock:
                disturbing[0] -= 1

    def record(_: int) -> None:
        with recordings.recording():
            with lock:
                recording[0] += 1
                seen.append((disturbing[0], recording[0]))
            time.sleep(0.0005)
            with lock:
                recording[0] -= 1

    def work(first: int) -> None:
        for number in range(first, 400, 8):
            (record if number % 5 == 0 else disturb)(number)

    in_threads([partial(work, first) for first in range(8)])
    assert len(seen) == 400
    assert {disturbers for disturbers, recorders in seen if recorders} == {0}
    assert max(recorders for _, recorders in seen) == 1
    assert max(disturbers for disturbers, _ in seen) > 1


def test_who_wishes_to_record_is_next() -> None:
    recordings = Recordings()
    order: list[str] = []
    first_in, first_may_go = threading.Event(), threading.Event()

    def first() -> None:
        with recordings.disturbing():
            first_in.set()
            assert first_may_go.wait(LONG_S)
        order.append("first")

    def record() -> None:
        with recordings.recording():
            order.append("recorded")

    def second() -> None:
        with recordings.disturbing():
            order.append("second")

    threads = [threading.Thread(target=work, daemon=True) for work in (first, record, second)]
    threads[0].start()
    assert first_in.wait(LONG_S)
    threads[1].start()
    until = time.monotonic() + LONG_S
    while not recordings._wishing and time.monotonic() < until:
        time.sleep(0.001)
    threads[2].start()
    time.sleep(0.05)  # the second one would be through by now
    assert order == []
    first_may_go.set()
    for thread in threads:
        thread.join(LONG_S)
    assert len(order) == 3
    assert order.index("recorded") < order.index("second")


def test_an_error_ends_either() -> None:
    recordings = Recordings()
    for turn in (recordings.recording, recordings.disturbing, recordings.recording):
        with pytest.raises(KeyError), turn():
            raise KeyError


def test_who_is_interrupted_while_waiting_wishes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = Recordings()

    def interrupted(_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recordings._changed, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt), recordings.recording():
            pass
    in_threads([lambda: recordings.disturbing().__enter__()])


def test_who_is_inside_already_disturbs_at_once() -> None:
    recordings = Recordings()

    def nested() -> None:
        with recordings.disturbing(), recordings.disturbing():
            pass
        with recordings.recording(), recordings.disturbing():
            pass
        with recordings.recording():
            pass

    in_threads([nested] * 4)


@pytest.mark.gpu
def test_after_a_recording_that_was_spoilt_all_is_as_before() -> None:
    device = torch.device("cuda")
    pool, stream = torch.cuda.graph_pool_handle(), torch.cuda.Stream()
    x = torch.ones(1 << 20, device=device)

    def record(spoil: bool) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        with (
            torch.cuda.stream(stream),
            torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"),
        ):
            x.add_(1)
            if spoil:
                torch.cuda.synchronize()
            x.add_(1)
        return graph

    before = torch.cuda.current_stream()
    with pytest.raises(RuntimeError):
        record(spoil=True)
    after_failed_recording(x.device, pool)
    assert torch.cuda.current_stream() == before
    assert torch.rand(3, device=device).shape == (3,)
    other, held = torch.cuda.Stream(), torch.cuda.memory_allocated()
    for _ in range(8):  # tensors used on another stream are free again
        y = torch.zeros(1 << 20, device=device)
        y.record_stream(other)
        del y
        torch.cuda.synchronize()
    assert torch.cuda.memory_allocated() <= held + (8 << 20)
    pool = torch.cuda.graph_pool_handle()
    x.zero_()
    record(spoil=False).replay()
    torch.cuda.synchronize()
    assert float(x[0]) == 2


def test_who_asks_while_it_disturbs_gets_what_others_are_about_to_look_for() -> None:
    recordings, begun, may_ask = Recordings(), threading.Event(), threading.Event()
    told: list[str] = []

    @partial(Once, within=recordings.disturbing)
    def of(name: str) -> str:
        return name

    def ask_within() -> None:
        with recordings.disturbing():
            begun.set()
            assert may_ask.wait(LONG_S)
            told.append(of("gpu"))

    def record() -> None:
        assert begun.wait(LONG_S)
        with recordings.recording():
            told.append("recorded")

    def ask() -> None:
        while not recordings._wishing:
            time.sleep(0.01)
        threading.Timer(0.2, may_ask.set).start()
        told.append(of("gpu"))

    in_threads([ask_within, record, ask])
    assert told == ["gpu", "recorded", "gpu"]
