"""Writing files so that a name either holds the whole result or nothing; hashes of files."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import os
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

from lightning_pose.contracts.errors import DataError, WriteError

_EDGE_BYTES = 2**20
_SAMPLES = 16
_SAMPLE_BYTES = 2**16
_LONGEST_WRITER = f"{2**22}.{2**22}"  # numbers of processes and threads are no larger on Linux


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary file beside ``path``, then rename it; return ``path``.

    The temporary name keeps the suffix, because writers choose a format by it, and is one of this
    thread, so that two that write one file at once do not write into each other's.

    Raises:
        WriteError: the folder cannot be written or the disk is full; neither name holds a
            file afterwards.
    """
    path = Path(path)
    writer = f"{os.getpid()}.{threading.get_native_id()}"
    temporary = _temporary(path, writer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # where a folder was expected there may be a file
            temporary.unlink(missing_ok=True)
        raise WriteError(why_not_written(path, error)) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def _temporary(path: Path, writer: str) -> Path:
    return path.with_name(f".{path.stem}.{writer}.tmp{path.suffix}")


def is_name_too_long(path: Path, *, is_video: bool = False) -> bool:
    """Tell whether the disk refuses the name that :func:`write_atomically` writes to at first.

    It is longer than that of ``path``, and that of a video once more. The folder need not be
    there yet.
    """
    temporary = _temporary(path, _LONGEST_WRITER)
    if is_video:  # the writer of videos makes a temporary file of its own
        temporary = _temporary(temporary, _LONGEST_WRITER.partition(".")[0])
    folder = next(above for above in path.absolute().parents if os.path.lexists(above))
    try:
        (folder / temporary.name).lstat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def remove_leftovers(path: Path) -> None:
    """Delete what killed processes left of writing ``path``; nobody may be writing it now."""
    number, stem = r"(\.\d+){1,2}\.tmp", re.escape(path.stem)
    # A writer of videos makes a temporary file of its own for a name that is one already.
    name = re.compile(rf"\.(\.{stem}{number}|{stem}){number}{re.escape(path.suffix)}")
    for found in path.parent.glob(f".*.tmp{glob.escape(path.suffix)}"):
        if name.fullmatch(found.name):
            found.unlink(missing_ok=True)


@contextlib.contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Wait until nobody else is in this function with the same folder, then keep others waiting.

    The folder itself is locked, so that no file is left behind; the kernel frees it if the process
    is killed. Where there is no such lock (some network disks), nobody waits.
    """
    held = None
    with contextlib.suppress(OSError):
        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def in_home(path: str | Path) -> Path:
    """Return a path with ``~`` or ``~name`` replaced by that home; as it is if there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def real_path(path: Path) -> Path:
    """Return where a path leads, absolute; links that lead nowhere, or in a circle, stay."""
    return Path(os.path.realpath(path))


def is_file(path: Path) -> bool:
    """Tell whether a file is there; not if its name is too long, or nobody may look for it."""
    return os.path.isfile(path)  # noqa: PTH113 (Path.is_file raises then)


def user_cache() -> Path:
    """Return the folder of what can be made or fetched again: $XDG_CACHE_HOME or ~/.cache."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(named) if Path(named).is_absolute() else Path.home() / ".cache"
    return root / "lightning_pose"


def sampled_sha256(files: Path | Iterable[Path]) -> str:
    """Return the SHA-256 of files in hexadecimal digits, quickly: large ones are sampled.

    Of each file count its size, its first and last MiB and 16 blocks in between; neither its name
    nor its times. A change of a few bytes inside a large video may go unnoticed.

    Raises:
        OSError: a file cannot be read; it has the name.
    """
    digest = hashlib.sha256()
    for path in [files] if isinstance(files, Path) else files:
        try:
            for part in _samples(path):
                digest.update(part)
        except OSError as error:  # reading, unlike opening, names no file
            error.filename = error.filename or str(path)
            raise
    return digest.hexdigest()


def _samples(path: Path) -> Iterator[bytes]:
    """Yield the size of a file, and all of it or, if it is large, parts."""
    size = path.stat().st_size
    yield size.to_bytes(8, "big")
    with path.open("rb") as file:
        if size <= 2 * _EDGE_BYTES + _SAMPLES * _SAMPLE_BYTES:
            yield file.read()
            return
        yield file.read(_EDGE_BYTES)
        for sample in range(1, _SAMPLES + 1):
            file.seek(size * sample // (_SAMPLES + 1))
            yield file.read(_SAMPLE_BYTES)
        file.seek(size - _EDGE_BYTES)
        yield file.read(_EDGE_BYTES)


def is_other_file(recorded: Path, path: Path) -> bool:
    """Tell whether a file holds something else than one that was recorded and is still there.

    Where nothing is left, the file may have been moved: it counts as the same. Copies are the same
    (:func:`sampled_sha256`).

    Raises:
        OSError: a file cannot be read.
    """
    if not recorded.is_file() or recorded.samefile(path):
        return False
    return sampled_sha256(recorded) != sampled_sha256(path)


def check_is_no_file(folder: Path) -> None:
    """Check that ``folder`` is, or can become, a folder.

    Raises:
        WriteError: it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise WriteError(f"{folder} is a file, but results need a folder. Name another one.")


def write_text(path: Path, text: str) -> Path:
    """Write ``text`` as UTF-8 atomically; return ``path`` (see :func:`write_atomically`)."""
    return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def why_not_written(path: Path, error: OSError) -> str:
    """Return the sentence on a file that the operating system did not let be written."""
    if error.errno == errno.ENOSPC:
        return f"{path} was not written: the disk is full. Free some space and run it again."
    return f"{path} was not written: {error.strerror or error}."
