"""Process 0 and the others of a training on several GPUs.

Process 0 trains, talks and writes as one that is alone would. The others train beside it
(:mod:`lightning_pose.cli.train.following`) from the configuration in the run directory. It starts
them itself, unless torchrun or srun has.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import IO

from lightning_pose.cli.opening import plugin_folders
from lightning_pose.cli.terminal import print_error
from lightning_pose.cli.train.jobs import Job, announce, end, wait_until_left, wait_until_ready
from lightning_pose.config.app import RunContext
from lightning_pose.config.schema import Config
from lightning_pose.contracts.errors import LitposeError, TrainingError
from lightning_pose.training.world import (
    LOOPBACK,
    World,
    connected,
    holds_store,
    leave_at_once,
    opened,
)

WATCH_EVERY_S = 0.1
LAST_WORDS_S = 5.0  # for a process to end once it no longer answers
FAREWELL_S = 60.0  # for others to hear of the end; they may still be importing torch
PATIENCE_S = 20.0  # for process 0 to notice that another one is gone

_numbers = count()


@contextmanager
def with_other_ranks(world: World, config: Config, context: RunContext) -> Iterator[World]:
    """Have all other processes ready to train; yield the world with the store where they meet.

    Those started here end with the context, however it ends.

    Raises:
        TrainingError: one of them failed; its reason and what is left are said.
    """
    if world.size == 1:
        yield world
        return
    job = Job(
        number=0 if world.launcher is None else next(_numbers),
        run_dir=str(context.run_dir),
        resumed=context.resumed,
        plugin_folders=plugin_folders(config.plugins),
    )
    if world.launcher is not None:
        store = connected(world)
        announce(store, job)
        wait_until_ready(store, job, world=world, check=lambda: None)
        yield replace(world, store=store)
        return
    server, store = opened()
    announce(store, job)
    world = replace(world, store=store, address=(LOOPBACK, server.port))
    with _Children(world, job) as children:
        wait_until_ready(store, job, world=world, check=children.check)
        yield world
        end(store)


@contextmanager
def jobs_end(world: World) -> Iterator[None]:
    """Tell the processes of a launched world, when the context ends, to end too."""
    try:
        yield
    finally:
        store = connected(world)
        end(store)
        if holds_store(world):  # it goes with this process
            wait_until_left(store, world=world, at_most_s=FAREWELL_S)


class _Children:
    """The other processes on this machine, started here; watched, and ended with the context."""

    def __init__(self, world: World, job: Job) -> None:
        self.world = world
        self.job = job
        self._said = [tempfile.TemporaryFile("w+") for _ in range(1, world.size)]  # noqa: SIM115
        self._processes: list[subprocess.Popen[str]] = []
        self._left = threading.Event()
        self._watch = threading.Thread(target=self._watch_them, daemon=True)

    def __enter__(self) -> _Children:
        for rank, said in enumerate(self._said, start=1):
            self._processes.append(_start(self.world, rank, said))
        self._watch.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._left.set()
        try:
            if error is not None and not isinstance(error, LitposeError | KeyboardInterrupt):
                self._raise_their_failure(error)
        finally:
            self._end(error is None)

    def check(self) -> None:
        """Raise TrainingError if one of them has failed."""
        failure = self._failure()
        if failure is not None:
            raise TrainingError(failure)

    def _raise_their_failure(self, error: BaseException) -> None:
        """Blame the one that is gone, if there is one, for an error that followed from that."""
        deadline = time.monotonic() + LAST_WORDS_S
        while (failure := self._failure()) is None and time.monotonic() < deadline:
            time.sleep(WATCH_EVERY_S)
        if failure is not None:
            raise TrainingError(failure) from error

    def _failure(self) -> str | None:
        codes = [process.poll() for process in self._processes]
        rank = next((rank for rank, code in enumerate(codes, start=1) if code), None)
        if rank is None:
            return None
        code = codes[rank - 1] or 0
        said = self._said[rank - 1]
        said.seek(0)
        words = " ".join(said.read().rpartition("litpose: ")[2].split())
        how = f"was killed by signal {-code}" if code < 0 else f"failed: {words}"
        return (
            f"Process {rank} of {self.world.size} {how.rstrip('.')}. All have ended. To carry on "
            f"from the last checkpoint: litpose train model.resume={self.job.run_dir}"
        )

    def _watch_them(self) -> None:
        """Free process 0 when another one fails: it may wait for that one on its GPU."""
        while not self._left.wait(WATCH_EVERY_S):
            failure = self._failure()
            if failure is not None:
                leave_at_once()
                if not self._left.wait(PATIENCE_S):
                    print_error(failure)
                    self._end(False)
                    os._exit(1)
                return

    def _end(self, wait: bool) -> None:
        """End them; after a whole training they end by themselves."""
        for process in self._processes:
            try:
                process.wait(LAST_WORDS_S if wait else 0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        for said in self._said:
            said.close()


def _start(world: World, rank: int, said: IO[str]) -> subprocess.Popen[str]:
    """Start a process that follows; it ends when its standard input, held open here, does.

    Ctrl-C does not reach it: what is to be done is decided here.
    """
    host, port = world.address or (LOOPBACK, 0)
    environment: dict[str, object] = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": world.size,
        "LOCAL_WORLD_SIZE": world.size,
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "lightning_pose.cli.train.following"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=said,
        text=True,
        env=os.environ | {name: str(value) for name, value in environment.items()},
        start_new_session=True,
    )
