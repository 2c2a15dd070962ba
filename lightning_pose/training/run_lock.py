"""One training per run directory at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lightning_pose.contracts.errors import TrainingError, WriteError

LOCK_NAME = ".training.lock"
_held: set[Path] = set()


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the run directory for this process.

    The lock is the kernel's: it goes when the process goes, even if it is killed. The file stays.
    Where this process holds it already, nothing happens: the outermost hold counts.

    Raises:
        TrainingError: another process is training in it; the message says which.
        WriteError: nothing can be written or locked there.
    """
    folder = run_dir.resolve()
    if folder in _held:
        yield
        return
    with _opened(run_dir / LOCK_NAME) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise WriteError(
                    f"{run_dir} cannot be locked for the training: {error.strerror}. Choose a run "
                    "directory on another disk with hydra.run.dir."
                ) from error
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise TrainingError(
                f"{run_dir} is being trained by {holder}. Wait until it ends, or stop it first."
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        _held.add(folder)
        try:
            yield
        finally:
            _held.discard(folder)


def is_locked(run_dir: Path) -> bool:
    """Tell whether a process, this one or another, is training in the run directory."""
    path = run_dir / LOCK_NAME
    if run_dir.resolve() in _held:
        return True
    if not path.is_file():
        return False
    with path.open("r+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise WriteError(
            f"The run directory {path.parent} cannot be written: {error.strerror}. Choose another "
            "one with hydra.run.dir, or make this one writable."
        ) from error
