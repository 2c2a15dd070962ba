"""The review app when it is ended: that it ends, and what is left of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lightning_pose.cli.look import reviewing
from lightning_pose.mlops.review.database import FOLDER, URI, find_mongod

BUILD = """
from pathlib import Path
from lightning_pose.mlops.review.building import ReviewRequest, build_review
from tests.mlops.reviewed import make_project, make_run
run = make_run(make_project(Path("data")), Path("A"), noise_px=1.0)
build_review(ReviewRequest(name="mouse", runs=[run], project=Path.cwd(), frames=2))
"""
AFTER_S = 10.0


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def opened(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Build a review and open it, in processes of their own."""
    found = find_mongod()
    if found is None or found.problem:
        pytest.skip("there is no mongod (litpose doctor)")
    env = {name: value for name, value in os.environ.items() if name != URI}
    checkout = str(Path(__file__).resolve().parents[2])
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [checkout, env.get("PYTHONPATH")]))
    subprocess.run([sys.executable, "-c", BUILD], cwd=tmp_path, env=env, check=True)
    said = tmp_path / "said.txt"
    words = ["lightning_pose.cli.main", "review", "open", "mouse", "--port", str(port)]
    with said.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=tmp_path, env=env, stdout=out, stderr=out
        )
    family: list[psutil.Process] = []
    try:
        until = time.monotonic() + 120
        while "mouse is open at" not in " ".join(said.read_text().split()):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.2)
        family = _family(process)
        yield process
    finally:
        for one in family:  # that a failing test has left
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.kill()
        process.wait()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_an_end_that_fiftyone_swallows_as_it_starts_is_an_end(
    ending: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []

    def serve(*_: object, **__: object) -> SimpleNamespace:
        with contextlib.suppress(BaseException):  # as it does while it looks for a server
            os.kill(os.getpid(), ending)
            time.sleep(5)
        return SimpleNamespace(
            wait=lambda _: done.append("wait"), close=lambda: done.append("end")
        )

    monkeypatch.setattr(reviewing, "fiftyone_of", lambda _: None)
    monkeypatch.setattr(reviewing, "_existing", lambda *_, **__: None)
    monkeypatch.setattr(reviewing, "serve", serve)
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        reviewing._open("mouse", Namespace(address="127.0.0.1", port=1, browser=False))
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert done == ["end"]
    assert "The app is closed; tags are kept." in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_nothing_of_an_app_that_is_ended_lives_on(
    opened: subprocess.Popen[bytes], port: int, tmp_path: Path, ending: signal.Signals
) -> None:
    family = _family(opened)
    told = [" ".join(one.cmdline()) for one in family]
    assert any("--51-service" in words for words in told)
    assert any("main.py --port" in words for words in told)
    mongod = json.loads((tmp_path / FOLDER / "mongod.json").read_text())["pid"]
    assert mongod in [one.pid for one in family]
    assert _answers(port)
    opened.send_signal(ending)
    _, alive = psutil.wait_procs(family, timeout=AFTER_S)
    assert not [" ".join(one.cmdline()) for one in alive]
    assert opened.wait(30) == 0
    assert not _answers(port)
    assert not (tmp_path / FOLDER / "mongod.json").exists()
    assert "The app is closed; tags are kept." in (tmp_path / "said.txt").read_text()


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
