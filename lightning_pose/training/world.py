"""The processes of one training: which this is, how they find each other, how they meet.

They meet at a *store*, torch's small key-value server in process 0 (or in torchrun's agent).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from lightning_pose.config.schema import TrainingConfig
from lightning_pose.contracts.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch.distributed import (
        Store,  # pyright: ignore[reportPrivateImportUsage]
        TCPStore,  # pyright: ignore[reportPrivateImportUsage]
    )

LOOPBACK = "127.0.0.1"
LONGEST_WAIT = timedelta(minutes=30)
FIRST_PORT, PORTS = 20_000, 10_000
AGENT_STORE = "TORCHELASTIC_USE_AGENT_STORE"
_PREFIX = "litpose"


@dataclass(frozen=True, kw_only=True)
class World:
    """The processes that train one network together, seen from one of them.

    Attributes:
        rank: which of them this is; number 0 writes the run directory and talks.
        local_rank: which of those on this machine.
        size: how many there are.
        nodes: machines they are on, equally many on each.
        launcher: what started all of them, ``torchrun`` or ``srun``; None if process 0 starts the
            others.
        address: host name and port of the store; None if process 0 has not opened it yet.
        store: where they meet; None for a process that trains alone.
    """

    rank: int = 0
    local_rank: int = 0
    size: int = 1
    nodes: int = 1
    launcher: str | None = None
    address: tuple[str, int] | None = None
    store: Store | None = None


ALONE = World()


def launched_world(variables: Mapping[str, str] = os.environ) -> World | None:
    """Return the world that torchrun or srun put this process in; None if it was started alone.

    ``srun`` says nothing about a port: ``MASTER_PORT`` is taken, else one that follows from the
    number of the job; likewise ``MASTER_ADDR``, else the first machine of the step.
    """
    if _has(variables, "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        size = int(variables["WORLD_SIZE"])
        world = World(
            rank=int(variables["RANK"]),
            local_rank=int(variables["LOCAL_RANK"]),
            size=size,
            nodes=size // int(variables.get("LOCAL_WORLD_SIZE", size)),
            launcher="torchrun",
            address=(variables["MASTER_ADDR"], int(variables["MASTER_PORT"])),
        )
    elif _has(variables, "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"):
        port = FIRST_PORT + int(variables.get("SLURM_JOB_ID", 0)) % PORTS
        first = _first_host(variables.get("SLURM_STEP_NODELIST", LOOPBACK))
        world = World(
            rank=int(variables["SLURM_PROCID"]),
            local_rank=int(variables["SLURM_LOCALID"]),
            size=int(variables["SLURM_STEP_NUM_TASKS"]),
            nodes=int(variables.get("SLURM_STEP_NUM_NODES", 1)),
            launcher="srun",
            address=(
                variables.get("MASTER_ADDR", first),
                int(variables.get("MASTER_PORT", port)),
            ),
        )
    else:
        return None
    return world if world.size > 1 else None


def world_for(settings: TrainingConfig) -> World:
    """Return the world that the settings ask for, seen from its process 0.

    Raises:
        ConfigError: what started this process and the settings do not agree.
    """
    launched, size = launched_world(), settings.processes
    asked = f"training.num_gpus is {settings.num_gpus} and num_nodes {settings.num_nodes}"
    if launched is not None and (launched.size, launched.nodes) != (size, settings.num_nodes):
        each = launched.size // launched.nodes
        raise ConfigError(
            f"{launched.launcher} started {launched.size} processes on {launched.nodes} "
            f"machines, but {asked}. Set training.num_gpus={each} and "
            f"training.num_nodes={launched.nodes}, or start as many as the configuration says."
        )
    if launched is None and settings.num_nodes > 1:
        raise ConfigError(
            f"{asked}, but this process was started alone. Start one process for each GPU of "
            "each machine, with torchrun or srun (docs/several_gpus.md)."
        )
    return launched or World(size=size)


@cache
def connected(world: World) -> Store:
    """Return the store of a world that torchrun or srun has started; srun has none of its own."""
    from torch.distributed import (
        PrefixStore,  # pyright: ignore[reportPrivateImportUsage]
        TCPStore,  # pyright: ignore[reportPrivateImportUsage]
    )

    if world.address is None:
        raise ValueError("Only a world with an address can be connected to.")
    host, port = world.address
    store = TCPStore(
        host, port, is_master=holds_store(world), wait_for_workers=False, timeout=LONGEST_WAIT
    )
    return PrefixStore(_PREFIX, store)


def holds_store(world: World) -> bool:
    """Tell whether the store of a launched world lies in this process, not torchrun's agent."""
    return world.rank == 0 and os.environ.get(AGENT_STORE) != str(True)


def opened() -> tuple[TCPStore, Store]:
    """Open a store for processes of this machine; return the server, which knows its port, too."""
    from torch.distributed import (
        PrefixStore,  # pyright: ignore[reportPrivateImportUsage]
        TCPStore,  # pyright: ignore[reportPrivateImportUsage]
    )

    server = TCPStore(LOOPBACK, 0, is_master=True, wait_for_workers=False, timeout=LONGEST_WAIT)
    return server, PrefixStore(_PREFIX, server)


@contextmanager
def joined(world: World, device: torch.device) -> Iterator[None]:
    """Make this process one of the world's inside the context, with tensors on ``device``.

    Args:
        world: with its store, unless this process is alone.
        device: of this process; NCCL connects GPUs, gloo processors.
    """
    if world.size == 1 or world.store is None:
        yield
        return
    import torch
    import torch.distributed as dist

    from lightning_pose.ops.processes import one_of_several

    meeting = f"meeting {world.store.add(f'meetings of {world.rank}', 1)}"
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=dist.PrefixStore(meeting, world.store),  # pyright: ignore
        rank=world.rank,
        world_size=world.size,
        timeout=LONGEST_WAIT,
        device_id=device if device.type == "cuda" else None,
    )
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(max(1, threads * world.nodes // world.size))
    try:
        with one_of_several(rank=world.rank, size=world.size):
            yield
    except BaseException:
        leave_at_once()
        raise
    finally:
        torch.set_num_threads(threads)
        if dist.is_initialized():
            dist.destroy_process_group()


def leave_at_once() -> None:
    """Leave the others without a word, also where one of them no longer answers."""
    import torch.distributed as dist
    from torch.distributed import distributed_c10d

    if dist.is_initialized() and dist.get_backend() == "nccl":
        distributed_c10d._abort_process_group()  # pyright: ignore[reportPrivateUsage]


def _has(variables: Mapping[str, str], *names: str) -> bool:
    return all(name in variables for name in names)


def _first_host(nodes: str) -> str:
    """Return the first of SLURM's list of machines.

    Example:
        >>> _first_host("gpu[07-09,12],big1"), _first_host("big1,big2")
        ('gpu07', 'big1')
    """
    head, bracket, rest = nodes.partition("[")
    if "," in head or not bracket:
        return head.partition(",")[0]
    return head + rest.split("]")[0].split(",")[0].split("-")[0]
