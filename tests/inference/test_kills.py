"""A batch that is killed at any moment, or shared by workers, gives what one quiet run gives."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from lightning_pose.inference.outputs import NOTE_ENDING
from tests.inference.batch_worker import number_run, work, work_and_break_down
from tests.video.corpus import BITS, encode

PROCESSES = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module", autouse=True)
def _server_that_has_imported_all(checkout: Path) -> None:
    """Start the process that workers are forked from; only then they start fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(checkout), *sys.path]))
        PROCESSES.set_forkserver_preload(["tests.inference.batch_worker"])
        first = PROCESSES.Process(target=int)
        first.start()
        first.join()


def videos_in(folder: Path, *, count: int, longest: int) -> Path:
    """Write videos of numbered frames, the first of them long."""
    folder.mkdir()
    for number in range(count):
        frames = longest if number == 0 else 40 + number
        numbers = [(frame + number) % 2**BITS for frame in range(frames)]
        encode(folder / f"v{number}.mp4", numbers, options={"preset": "ultrafast"})
    return folder


def started(*arguments: Path) -> ForkServerProcess:
    process = PROCESSES.Process(target=work, args=arguments)
    process.start()
    return process


def results(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("[!.]*.csv")}


@contextmanager
def watched(out: Path, expected: dict[str, bytes]) -> Iterator[list[str]]:
    """Look at the folder all the time; tell of every file that is not whole under its name."""
    broken: list[str] = []
    over = threading.Event()

    def is_whole(path: Path) -> bool:
        content = path.read_bytes()
        if path.name.endswith(NOTE_ENDING):
            return "key" in json.loads(content)
        return content == expected.get(path.name)

    def look() -> None:
        seen: set[tuple[str, int, int]] = set()
        while not over.wait(0.002):
            for path in out.glob("[!.]*"):
                with suppress(FileNotFoundError):  # the test itself begins anew
                    found = path.stat()
                    state = (path.name, found.st_ino, found.st_mtime_ns)
                    if state not in seen and not is_whole(path):
                        broken.append(path.name)
                    seen.add(state)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield broken
    finally:
        over.set()
        watcher.join()


def check_kills(tmp_path: Path, *, kills: int, videos: int, longest: int) -> None:
    run = number_run(tmp_path / "run")
    folder = videos_in(tmp_path / "videos", count=videos, longest=longest)
    began = time.monotonic()
    quiet = started(run, folder, tmp_path / "quiet")
    quiet.join()
    seconds = time.monotonic() - began
    assert quiet.exitcode == 0
    expected = results(tmp_path / "quiet")
    assert len(expected) == 2 * videos
    out = tmp_path / "out"
    chance = random.Random(0)
    killed = 0
    out.mkdir()
    with watched(out, expected) as broken:
        while killed < kills:
            worker = started(run, folder, out)
            worker.join(chance.uniform(0, seconds))
            if worker.exitcode is None:
                worker.kill()
                worker.join()
                killed += 1
                continue
            assert worker.exitcode == 0
            assert results(out) == expected
            for path in out.iterdir():  # all is done: begin anew
                path.unlink()
        last = started(run, folder, out)
        last.join()
        assert last.exitcode == 0
    assert broken == []
    assert results(out) == expected
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("deadly", ["v0.mp4", "v2.mp4"])
def test_a_video_that_ends_the_process_costs_no_other(tmp_path: Path, deadly: str) -> None:
    run = number_run(tmp_path / "run")
    folder = videos_in(tmp_path / "videos", count=4, longest=60)
    quiet = started(run, folder, tmp_path / "quiet")
    quiet.join()
    expected = results(tmp_path / "quiet")
    out = tmp_path / "out"
    others = {name: content for name, content in expected.items() if name[:2] != deadly[:2]}
    for _ in range(5):
        worker = PROCESSES.Process(target=work_and_break_down, args=(run, folder, out, deadly))
        worker.start()
        worker.join()
        assert worker.exitcode == -signal.SIGABRT
    assert results(out) == others
    sound = started(run, folder, out)
    sound.join()
    assert sound.exitcode == 0
    assert results(out) == expected
    assert not list(out.glob(".*"))


def test_a_batch_killed_three_times_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    check_kills(tmp_path, kills=3, videos=3, longest=200)


@pytest.mark.long
def test_a_batch_killed_thirty_times_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    check_kills(tmp_path, kills=30, videos=20, longest=3000)


def test_two_workers_on_one_folder_predict_every_video_once(tmp_path: Path) -> None:
    run = number_run(tmp_path / "run")
    folder = videos_in(tmp_path / "videos", count=6, longest=60)
    told = [tmp_path / f"{number}.json" for number in range(2)]
    workers = [started(run, folder, tmp_path / "out", path) for path in told]
    for worker in workers:
        worker.join()
    became = [json.loads(path.read_text()) for path in told]
    for video in (f"v{number}.mp4" for number in range(6)):
        assert [each[video] for each in became].count("predicted") == 1
    assert len(results(tmp_path / "out")) == 12
    assert not list((tmp_path / "out").glob(".*"))
