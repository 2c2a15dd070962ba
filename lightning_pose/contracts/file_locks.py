"""Locks of the kernel on files: they go when the process goes, even if it is killed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path
from typing import IO

_BUSY = (errno.EACCES, errno.EAGAIN)
# struct flock of <fcntl.h>
if sys.platform == "darwin":
    _FLOCK, _FLOCK_NAMES = "@qqihh", ("l_start", "l_len", "l_pid", "l_type", "l_whence")
else:
    _FLOCK, _FLOCK_NAMES = "@hhqqi4x", ("l_type", "l_whence", "l_start", "l_len", "l_pid")
_ours: dict[Path, IO[str]] = {}  # keeps them open, whatever becomes of the objects


class NoLocksError(OSError):
    """The file system knows no locks."""


class FileLock:
    """A lock on a file, held by one process at a time; others read in the file who that is.

    Args:
        path: of the file, which is made if need be; its folder must be there.
        leave_file: keep the file when the lock is released. Where it is not kept, a file that is
            there and not held tells of processes that ended before they could release it
            (:func:`times_left`).
    """

    def __init__(self, path: Path, *, leave_file: bool = True) -> None:
        self.path = path.resolve()
        self.leave_file = leave_file
        self._is_mine = False

    def take(self) -> str:
        """Take the lock; return "", or who holds it: ``process 12 on host``.

        Raises:
            NoLocksError: there are no locks on this file system.
            OSError: the file cannot be made.
        """
        if self.path in _ours:
            return _this_process()
        while True:
            file, is_new = _opened(self.path)
            try:
                if not _lock(file):
                    file.seek(0)
                    holders = file.read().splitlines()
                    file.close()
                    return holders[-1] if holders else "another process"
                if _is_still_at(file, self.path):
                    break
            except NoLocksError:
                file.close()
                if is_new and not self.leave_file:
                    with contextlib.suppress(OSError):  # a file that stays does no harm
                        self.path.unlink()
                raise
            file.close()  # the one who held it deleted it just now
        if self.leave_file:
            file.truncate(0)
        file.seek(0, os.SEEK_END)
        file.write(f"{_this_process()}\n")
        file.flush()
        _ours[self.path] = file
        self._is_mine = True
        return ""

    def release(self) -> None:
        """Let others take it; nothing happens if it is not held."""
        if not self._is_mine:
            return
        if not self.leave_file:
            with contextlib.suppress(OSError):  # a file that stays does no harm
                self.path.unlink()
        _ours.pop(self.path).close()
        self._is_mine = False


def is_held_here(path: Path) -> bool:
    """Tell whether this process holds the lock on a file."""
    return path.resolve() in _ours


def is_held(path: Path) -> bool:
    """Tell whether a process, this one or another, holds the lock on a file."""
    if is_held_here(path):
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        try:
            return _is_locked(file)
        except OSError:  # the file system knows no locks
            return True


def times_left(path: Path) -> int:
    """Return how many processes in a row ended without a word while they held the lock on a file.

    0 if one holds it now, or the last one released it; see ``leave_file``.
    """
    try:
        if is_held(path):  # first: to close a file that this process has locked would unlock it
            return 0
        return len(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:  # there is no such file, or it may not be read
        return 0


def _opened(path: Path) -> tuple[IO[str], bool]:
    """Open a file to be added to; tell whether it was made for that."""
    try:
        return path.open("x+", encoding="utf-8"), True
    except FileExistsError:
        return path.open("a+", encoding="utf-8"), False


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise NoLocksError(error.errno, error.strerror) from error
    return True


def _is_locked(file: IO[bytes]) -> bool:
    """Tell whether another process has locked a file, without keeping others from it."""
    wished = {"l_type": fcntl.F_WRLCK, "l_whence": os.SEEK_SET}
    asked = struct.pack(_FLOCK, *(wished.get(name, 0) for name in _FLOCK_NAMES))
    told = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    return told[_FLOCK_NAMES.index("l_type")] != fcntl.F_UNLCK


def _is_still_at(file: IO[str], path: Path) -> bool:
    """Tell whether a name still stands for the open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _this_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"
