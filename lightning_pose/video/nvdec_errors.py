"""What NVIDIA's decoders say of pictures that they cannot decode.

After each picture of H.264 and HEVC, PyNvVideoCodec 2.2 asks NVDEC whether it could be decoded. If
not, the picture is patched, and the library prints a line; it has no other way to tell. That line
is caught here: while decoders are at work, what C code prints goes to a file in memory, and all
else of it on to where it would have gone. What Python prints is not touched.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import functools
import os
import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from lightning_pose.video.excerpt import Span

_BEGIN = b"Decode Error occurred for picture"
_LINE = re.compile(_BEGIN + rb"[^\n]*\n")
_PART = re.compile(
    b"|".join(_BEGIN[:n] + rb"\Z" for n in range(1, len(_BEGIN))) + b"|" + _BEGIN + rb"[^\n]*\Z"
)
_UNBUFFERED = 2  # _IONBF of <stdio.h>
_NAMED_AT_MOST = 5  # stretches of frames
_NOT_STANDARD = 3  # the first number of a file that is not one of the three standard ones


class _Swap(NamedTuple):
    """Where C code prints and where it did before (pointers to FILE), and the file to read it."""

    here: int
    before: int
    file: int


class PrintedErrors:
    """Counts the pictures that the decoders of this process could not decode.

    Of which decoder a line is cannot be told: they number pictures each for itself.
    """

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._give_back_to_child)
        atexit.register(self._end)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch what is printed until this ends; several threads may at a time.

        Raises:
            OSError: the C library is not glibc.
        """
        with self._lock:
            self._swap = self._swap or _new_swap()
            self._listeners += 1
            if self._listeners == 1:
                _stdout().value = self._swap.here
        try:
            yield
        finally:
            with self._lock:
                self._listeners -= 1
                if not self._listeners:
                    self._give_back()

    def count(self) -> int:
        """Return how many such lines were caught so far; hand all else on."""
        if self._swap is None:
            return 0
        with self._lock:
            self._read()
            return self._count

    def _read(self) -> None:
        if self._swap is None:
            return
        size = os.fstat(self._swap.file).st_size
        if size > self._place:
            new = os.pread(self._swap.file, size - self._place, self._place)
            self._place += len(new)
            others, found = _LINE.subn(b"", self._held + new)
            begun = _PART.search(others)  # it may be printed in several goes
            end = begun.start() if begun else len(others)
            others, self._held = others[:end], others[end:]
            self._count += found
            _library().fwrite(others, 1, len(others), self._swap.before)

    def _give_back(self) -> None:
        if self._swap is not None:
            _stdout().value = self._swap.before
            self._read()

    def _end(self) -> None:
        self._give_back()
        if self._swap is not None:
            _library().fwrite(self._held, 1, len(self._held), self._swap.before)
            self._held = b""

    def _give_back_to_child(self) -> None:
        if self._swap is not None:  # the file is that of the parent
            _stdout().value = self._swap.before
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._swap: _Swap | None = None
        self._listeners = self._place = self._count = 0
        self._held = b""


def doubt_about(found: Collection[Span], codec: str) -> str:
    """Return the sentence on frames while which were decoded NVDEC told of a picture.

    Args:
        found: which frames.
        codec: one of which FFmpeg does not say where it is damaged.
    """
    first = sorted(found, key=lambda span: span.start)[:_NAMED_AT_MOST]
    named = [f"{span.start} to {span.shown - 1}" for span in first]
    more = ["..."] if len(found) > _NAMED_AT_MOST else []
    return (
        "NVDEC told of a picture that it could not decode, of this video or of one read at the "
        f"same time, and FFmpeg says nothing of damage in {codec}: look at the predictions of "
        f"frames {', '.join(named + more)}."
    )


@functools.cache
def _library() -> Any:
    library = ctypes.CDLL(None)
    library.fdopen.restype = ctypes.c_void_p
    library.setvbuf.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t)
    library.fwrite.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
    return library


def _stdout() -> ctypes.c_void_p:
    """Return the variable of the C library that says where to print.

    Raises:
        OSError: it is not glibc.
    """
    try:
        return ctypes.c_void_p.in_dll(_library(), "stdout")
    except (AttributeError, ValueError) as error:
        raise OSError("what decoders print cannot be read here (no glibc)") from error


def _new_swap() -> _Swap:
    before = _stdout().value
    made = os.memfd_create("printed")
    try:  # it may have got the number of a standard file that is closed
        file, end = (fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, _NOT_STANDARD) for _ in range(2))
    finally:
        os.close(made)
    here = _library().fdopen(end, b"a")
    _library().setvbuf(here, None, _UNBUFFERED, 0)
    return _Swap(here, before or 0, file)


ERRORS = PrintedErrors()
