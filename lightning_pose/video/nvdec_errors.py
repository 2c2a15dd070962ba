"""What NVIDIA's decoders say of pictures that they cannot decode.

After each picture of H.264 and HEVC, PyNvVideoCodec 2.2 asks NVDEC whether it could be decoded. If
not, the picture is patched, and the library prints a line; it has no other way to tell. That line
is caught here: what C code prints goes to a file in memory, and all other lines of it on to where
they would have gone. What Python prints is not touched.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading

TOLD_OF = ("h264", "hevc")  # FFmpeg's names of the codecs of which NVDEC tells
_LINE = b"Decode Error occurred for picture"
_UNBUFFERED = 2  # _IONBF of <stdio.h>


class PrintedErrors:
    """Counts the pictures that the decoders of this process could not decode.

    Of which decoder a line is cannot be told: they number pictures each for itself.

    Args:
        line: how the lines begin that are counted.
    """

    def __init__(self, line: bytes = _LINE) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._file: int | None = None
        self._read = 0
        self._count = 0

    def listen(self) -> None:
        """Begin to listen, once for the whole process.

        Raises:
            OSError: the C library is not glibc.
        """
        with self._lock:
            if self._file is not None:
                return
            try:
                library = ctypes.CDLL(None)
                stdout = ctypes.c_void_p.in_dll(library, "stdout")
                file = os.memfd_create("printed")
            except (AttributeError, ValueError) as error:
                raise OSError("what decoders print cannot be read here (no glibc)") from error
            library.fdopen.restype = ctypes.c_void_p
            library.setvbuf.argtypes = (
                ctypes.c_void_p,
                ctypes.c_char_p,
                ctypes.c_int,
                ctypes.c_size_t,
            )
            library.fflush.argtypes = (ctypes.c_void_p,)
            stream = library.fdopen(os.dup(file), b"a")
            library.setvbuf(stream, None, _UNBUFFERED, 0)
            library.fflush(stdout.value)
            stdout.value = stream
            self._file = file
        atexit.register(self._hand_on_the_rest)

    def count(self) -> int:
        """Return how many such lines were printed so far; hand all others on."""
        if self._file is None:
            return 0
        with self._lock:
            new = os.pread(self._file, os.fstat(self._file).st_size - self._read, self._read)
            if whole := new.rfind(b"\n") + 1:
                self._read += whole
                self._take(new[:whole])
            return self._count

    def _take(self, text: bytes) -> None:
        lines = text.splitlines(keepends=True)
        others = b"".join(line for line in lines if not line.startswith(self._line))
        self._count += sum(line.startswith(self._line) for line in lines)
        _write_out(others)

    def _hand_on_the_rest(self) -> None:
        self.count()
        with self._lock:
            if self._file is not None:
                _write_out(os.pread(self._file, os.fstat(self._file).st_size, self._read))


def _write_out(text: bytes) -> None:
    """Write what others had printed to where it would have gone."""
    while text:
        try:
            text = text[os.write(1, text) :]
        except OSError:  # nobody reads it any longer
            return


ERRORS = PrintedErrors()
