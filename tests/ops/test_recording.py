"""Recording on a GPU and what would spoil it keep out of each other's way."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from lightning_pose.ops.recording import Recordings, after_failed_recording

LONG_S = 60.0  # what never takes so long


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

    with ThreadPoolExecutor(8) as threads:
        done = [threads.submit(record if n % 5 == 0 else disturb, n) for n in range(400)]
        for one in done:
            one.result(timeout=LONG_S)
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

    threads = [threading.Thread(target=work) for work in (first, record, second)]
    threads[0].start()
    assert first_in.wait(LONG_S)
    threads[1].start()
    while not recordings._wishing:
        time.sleep(0.001)
    threads[2].start()
    time.sleep(0.05)  # the second one would be through by now
    assert order == []
    first_may_go.set()
    for thread in threads:
        thread.join(LONG_S)
    assert order.index("recorded") < order.index("second")


def test_an_error_ends_either() -> None:
    recordings = Recordings()
    for turn in (recordings.recording, recordings.disturbing, recordings.recording):
        with pytest.raises(KeyError), turn():
            raise KeyError


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
                other = threading.Thread(target=torch.cuda.synchronize)
                other.start()
                other.join(LONG_S)
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
