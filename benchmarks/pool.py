"""Many short trainings at once: each in a process of its own, that need not import anything."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PRELOADED = [
    "lightning_pose.cli.train.train_app",
    "lightning_pose.cli.train.hooks",
    "lightning_pose.api",
]


def run_all(
    function: Callable[..., None],
    calls: Sequence[tuple[Any, ...]],
    *,
    workers: int,
    log: Path,
    deadline: float = float("inf"),
    gpus: int = 1,
) -> None:
    """Call ``function`` with each tuple of arguments; begin none after ``deadline`` seconds.

    Several GPUs are used in turn; on each of them many processes run at once only under NVIDIA's
    MPS.

    Processes are forked from one that has imported all that is needed but has used no GPU. What
    they print, and what goes wrong in them, goes to ``log``.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    waiting, running = list(calls), []
    turns = itertools.cycle(range(gpus))
    started = time.monotonic()
    while waiting or running:
        if time.monotonic() - started > deadline:
            waiting.clear()
        while waiting and len(running) < workers:
            gpu = next(turns) if gpus > 1 else None
            process = context.Process(target=_call, args=(function, waiting.pop(0), log, gpu))
            process.start()
            running.append(process)
        time.sleep(0.1)
        running = [process for process in running if process.is_alive()]


def _call(
    function: Callable[..., None], arguments: tuple[Any, ...], log: Path, gpu: int | None
) -> None:
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    try:
        function(*arguments)
    except Exception:
        traceback.print_exc()
        raise
