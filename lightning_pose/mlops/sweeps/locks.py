"""Locks of the kernel, which go when their process goes, even if it is killed."""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from optuna.storages.journal import JournalFileSymlinkLock

from lightning_pose.contracts.errors import WriteError

FOLDER = ".workers"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process is between entering and leaving this, for the same file.

    Raises:
        WriteError: the file cannot be made.
    """
    with _opened(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class JournalLock(JournalFileSymlinkLock):
    """Optuna's lock of a journal file, freed when its holder is killed.

    Optuna's own ones are files, and a killed holder's is in the way for half a minute. What a
    killed holder, or a machine that lost power, left of a line is cut off: Optuna could read no
    further.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal
        self._path = journal.with_name(f".{journal.name}.lock")
        self._file: TextIO | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        file = _opened(self._path)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._file = file
        self._drop_torn_line()
        return True

    def release(self) -> None:
        """Let others write."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _drop_torn_line(self) -> None:
        if not self._journal.is_file():
            return
        with self._journal.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if not size:
                return
            file.seek(size - 1)
            if file.read(1) == b"\n":
                return
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


class Presence:
    """Shows other processes, as long as this one lives, that it does.

    Args:
        sweep_dir: the sweep they share.
    """

    def __init__(self, sweep_dir: Path) -> None:
        self.name = f"{_this_process()}{uuid.uuid4().hex[:8]}"
        self._path = sweep_dir / FOLDER / self.name
        self._file = _opened(self._path)
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def leave(self) -> None:
        """Show that this process is no longer at work."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def is_present(sweep_dir: Path, name: str) -> bool:
    """Tell whether another process, by the name of its :class:`Presence`, is alive.

    A process must not ask for its own name: the kernel would give its lock back.
    """
    path = sweep_dir / FOLDER / name
    if not name or not path.is_file():
        return False
    with path.open("r+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    path.unlink(missing_ok=True)
    return False


def is_own(name: str) -> bool:
    """Tell whether a name is that of a :class:`Presence` of this process."""
    return name.startswith(_this_process())


def anyone_else(sweep_dir: Path, name: str) -> bool:
    """Tell whether a process other than the one of that name is at work in the sweep."""
    names = [path.name for path in (sweep_dir / FOLDER).glob("*") if path.name != name]
    return any(is_present(sweep_dir, other) for other in names)


def _this_process() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-"


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise WriteError(
            f"The folder of the sweep, {path.parent}, cannot be written: {error.strerror}. Choose "
            "another one with hydra.sweep.dir."
        ) from error
