"""Hashes of files that are not read again while they stay as they are.

Each folder of files has one small JSON file in the user's cache. An entry counts while path, size,
inode and both times of the file are what they were when it was hashed. That alone would miss an
edit in the same tick of the clock as the hashing, so an entry is kept only if the file was then
older than the coarsest clock of a file system (git's rule of "racily clean" entries): a file that
was written a moment ago is hashed again the next time.

Writers replace the JSON file whole; where two do so at once, one loses what it learnt, which costs
time and nothing else. So do a broken cache and one that cannot be written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, cast

from lightning_pose.contracts.errors import DataError, WriteError
from lightning_pose.contracts.files import sampled_sha256, user_cache, write_text

Kind = Literal["sha256", "sampled_sha256", "md5"]

COARSEST_CLOCK_NS = 2_000_000_000  # FAT counts two seconds
_WHOLE_UP_TO = 256 * 10**6  # bytes
_AT_ONCE = 64  # files of one task: a task for each would cost more than looking

_CHUNK = 2**22  # bytes read between two reports to the listener

Listener = Callable[[int, int], None]
State = tuple[int, int, int, int]
Entry = tuple[State, str]


def file_hash(path: Path, kind: Kind = "sha256") -> str:
    """Return the hash of one file, out of the cache if it is known (see :class:`FileHashes`)."""
    with FileHashes(kind) as hashes:
        return hashes.of(path)


def content_stamp(path: Path) -> str:
    """Return the hash of a file with its kind, to be noted beside it: ``sha256:...``.

    Files of more than 256 MB are sampled, as videos are elsewhere.

    Raises:
        DataError: the file cannot be read.
    """
    kind: Kind = "sha256" if _state(path)[0] <= _WHOLE_UP_TO else "sampled_sha256"
    return f"{kind}:{file_hash(path, kind)}"


def has_stamp(path: Path, stamp: str) -> bool:
    """Tell whether a file still has the content that a stamp was made of.

    Raises:
        DataError: the file cannot be read.
    """
    kind, _, digest = stamp.partition(":")
    return kind in _WAYS and file_hash(path, kind) == digest


class FileHashes:
    """Hashes of one kind; what was learnt is kept when the ``with`` block ends.

    Args:
        kind: sha256 or md5 of the content, or sampled_sha256
            (:func:`~lightning_pose.contracts.files.sampled_sha256`).
        folder: of the cache; None = in the user's.

    Attributes:
        listener: of all instances: is told how many bytes of how many have been read, which may
            take minutes; the command line shows it. None = nobody is told.
    """

    listener: ClassVar[Listener | None] = None

    def __init__(self, kind: Kind = "sha256", *, folder: Path | None = None) -> None:
        self._kind = kind
        self._compute = _WAYS[kind]
        self._cache = folder or user_cache() / "hashes"
        self._folders: dict[str, dict[str, Entry]] = {}
        self._new: dict[str, dict[str, Entry]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> FileHashes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.save()

    def known(self, path: Path) -> str | None:
        """Return the hash of a file if it need not be read for it, else None.

        Raises:
            DataError: the file cannot be looked at.
        """
        return self._look_up(path, _state(path))

    def of(self, path: Path, *, reading: _Reading | None = None) -> str:
        """Return the hash of a file.

        Args:
            path: of the file.
            reading: of several files, that this one is one of.

        Raises:
            DataError: the file cannot be read.
        """
        before, began = _state(path), time.time_ns()
        known = self._look_up(path, before)
        if known is not None:
            return known
        digest = self._compute(path, reading or _Reading(before[0]))
        self._keep(path, before, began, digest)
        return digest

    def of_all(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Return the hash of each file; several are read at a time.

        Raises:
            DataError: a file cannot be read.
        """
        wanted = list(dict.fromkeys(paths))
        with ThreadPoolExecutor() as pool:
            found = list(chain(*pool.map(self._look_up_all, _parts(wanted))))
            known = {path: digest for path, (digest, _) in zip(wanted, found, strict=True)}
            unread = [path for path, digest in known.items() if digest is None]
            reading = _Reading(sum(size for digest, size in found if digest is None))
            read = chain(*pool.map(partial(self._read_all, reading=reading), _parts(unread)))
            digests = dict(zip(unread, read, strict=True))
        return {path: digest or digests[path] for path, digest in known.items()}

    def read(self, path: Path) -> tuple[bytes, str]:
        """Return the content of a file and its hash, which is computed only if it is not known.

        Raises:
            DataError: the file cannot be read.
        """
        before, began = _state(path), time.time_ns()
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _unreadable(path, error) from error
        known = self._look_up(path, before)
        if known is not None and _state(path) == before:
            return content, known
        if self._kind == "sampled_sha256":
            raise ValueError("a sample is not worth reading the whole file for")
        digest = hashlib.new(self._kind, content, usedforsecurity=False).hexdigest()
        self._keep(path, before, began, digest)
        return content, digest

    def save(self) -> None:
        """Write down what was learnt; a cache that cannot be written is passed over."""
        with self._lock:
            learnt, self._new = self._new, {}
        for folder, entries in learnt.items():
            kept = self._read(folder) | entries
            plain = {name: [*state, digest] for name, (state, digest) in kept.items()}
            text = json.dumps({"folder": folder, "files": plain})
            with contextlib.suppress(WriteError):
                write_text(self._file(folder), text)

    def _look_up_all(self, paths: list[Path]) -> list[tuple[str | None, int]]:
        """Return of each file the hash, if it is known, and the size."""
        states = [(path, _state(path)) for path in paths]
        return [(self._look_up(path, state), state[0]) for path, state in states]

    def _read_all(self, paths: list[Path], *, reading: _Reading) -> list[str]:
        return [self.of(path, reading=reading) for path in paths]

    def _look_up(self, path: Path, state: State) -> str | None:
        folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 (no link is followed)
        if folder not in self._folders:
            found = self._read(folder)
            with self._lock:
                self._folders.setdefault(folder, found)
        entry = self._folders[folder].get(name)
        return entry[1] if entry is not None and entry[0] == state else None

    def _keep(self, path: Path, before: State, began_ns: int, digest: str) -> None:
        """Remember a hash, unless the file changed meanwhile or may change unseen."""
        _, _, modified_ns, changed_ns = before
        if began_ns - max(modified_ns, changed_ns) < COARSEST_CLOCK_NS or _state(path) != before:
            return
        folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100
        with self._lock:
            self._folders.setdefault(folder, {})[name] = (before, digest)
            self._new.setdefault(folder, {})[name] = (before, digest)

    def _file(self, folder: str) -> Path:
        key = hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]
        return self._cache / self._kind / f"{key}.json"

    def _read(self, folder: str) -> dict[str, Entry]:
        """Return the entries of a folder; none if the cache is missing, broken or another's."""
        try:
            text = self._file(folder).read_text(encoding="utf-8")
            plain = cast("dict[str, Any]", json.loads(text))
            if plain["folder"] != folder:
                return {}
            files = cast("dict[str, list[Any]]", plain["files"])
            return {name: _entry(values) for name, values in files.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}


class _Reading:
    """Tells the listener how much of one or several files has been read.

    Args:
        total: bytes of all of them.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Take down that so many more bytes were read."""
        if FileHashes.listener is None:
            return
        with self._lock:
            self._done += count
            FileHashes.listener(self._done, self._total)


def _parts(paths: list[Path]) -> list[list[Path]]:
    return [paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE)]


def _entry(values: list[Any]) -> Entry:
    size, inode, modified_ns, changed_ns, digest = values
    return (int(size), int(inode), int(modified_ns), int(changed_ns)), str(digest)


def _state(path: Path) -> State:
    try:
        found = os.stat(path)  # noqa: PTH116 (20,000 times)
    except OSError as error:
        raise _unreadable(path, error) from error
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} cannot be read: {error.strerror}.")


def _whole(algorithm: str, path: Path, reading: _Reading) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    buffer = memoryview(bytearray(_CHUNK))
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
                reading.add(count)
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def _sampled(path: Path, _: _Reading) -> str:
    try:
        return sampled_sha256(path)
    except OSError as error:
        raise _unreadable(path, error) from error


_WAYS: dict[Kind, Callable[[Path, _Reading], str]] = {
    "sha256": partial(_whole, "sha256"),
    "sampled_sha256": _sampled,
    "md5": partial(_whole, "md5"),
}
