"""What process 0 tells the others: which run directory to train from, when to begin, and the end.

It is told through a store, a small key-value server: torchrun's, or one in process 0.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

from lightning_pose.training.world import World

POLL_S = 0.05
END = "end"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training, as process 0 tells the others of it.

    Attributes:
        number: from 0, in the order of a multirun.
        run_dir: holds the configuration, as it came out of everything.
        resumed: the training there is carried on.
        plugin_folders: where the modules under ``plugins`` were found.
    """

    number: int
    run_dir: str
    resumed: bool = False
    plugin_folders: dict[str, str] = field(default_factory=dict)


def announce(store: Store, job: Job) -> None:
    """Tell the others of a job."""
    store.set(f"job {job.number}", json.dumps(asdict(job)))


def wait_until_ready(store: Store, job: Job, *, world: World, check: Callable[[], None]) -> None:
    """Wait until all others have prepared the job, and let them begin.

    Args:
        store: where they meet.
        job: that was announced.
        world: how many they are.
        check: raises an error if one of them is gone.
    """
    _wait(store, [f"job {job.number} ready {rank}" for rank in range(1, world.size)], check)
    store.set(f"job {job.number} begins", "")


def next_job(store: Store, number: int) -> Job | None:
    """Wait for the job of that number and return it; None if process 0 has ended instead."""
    while not store.check([f"job {number}"]):
        if store.check([END]):
            return None
        time.sleep(POLL_S)
    return Job(**json.loads(store.get(f"job {number}")))


def ready(store: Store, job: Job, *, rank: int) -> None:
    """Say that this process has prepared the job, and wait until all have."""
    store.set(f"job {job.number} ready {rank}", "")
    _wait(store, [f"job {job.number} begins"])


def end(store: Store) -> None:
    """Tell the others that there are no more jobs."""
    store.set(END, "")


def leave(store: Store, *, rank: int) -> None:
    """Say that this process has heard of the end and needs the store no more."""
    store.set(f"left {rank}", "")


def wait_until_left(store: Store, *, world: World, at_most_s: float) -> None:
    """Wait until all others have left; one that is gone may never say so."""
    deadline = time.monotonic() + at_most_s
    everyone = [f"left {rank}" for rank in range(1, world.size)]
    while not store.check(everyone) and time.monotonic() < deadline:
        time.sleep(POLL_S)


def _wait(store: Store, keys: list[str], check: Callable[[], None] = lambda: None) -> None:
    while not store.check(keys):
        check()
        time.sleep(POLL_S)
