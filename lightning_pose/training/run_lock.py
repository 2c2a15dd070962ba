"""One training per run directory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_pose.contracts.errors import TrainingError, WriteError
from lightning_pose.contracts.file_locks import FileLock, NoLocksError, is_held, is_held_here

LOCK_NAME = ".training.lock"


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the run directory for this process.

    The lock is the kernel's: it goes when the process goes, even if it is killed. The file stays.
    Where this process holds it already, nothing happens: the outermost hold counts.

    Raises:
        TrainingError: another process is training in it; the message says which.
        WriteError: nothing can be written or locked there.
    """
    if is_held_here(run_dir / LOCK_NAME):
        yield
        return
    lock = FileLock(run_dir / LOCK_NAME)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        holder = lock.take()
    except NoLocksError as error:
        raise WriteError(
            f"{run_dir} cannot be locked for the training: {error.strerror}. Choose a run "
            "directory on another disk with hydra.run.dir."
        ) from error
    except OSError as error:
        raise WriteError(
            f"The run directory {run_dir} cannot be written: {error.strerror}. Choose another "
            "one with hydra.run.dir, or make this one writable."
        ) from error
    if holder:
        raise TrainingError(
            f"{run_dir} is being trained by {holder}. Wait until it ends, or stop it first."
        )
    try:
        yield
    finally:
        lock.release()


def is_locked(run_dir: Path) -> bool:
    """Tell whether a process, this one or another, is training in the run directory."""
    return is_held(run_dir / LOCK_NAME)
