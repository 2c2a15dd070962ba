"""NVIDIA's decoders (PyNvVideoCodec), made once, used for one stretch of video after another.

None is ended while the program runs if that can be helped. With PyNvVideoCodec 2.2 on an H200 two
of about 900 that were ended and made anew broke the memory of their process, and none of eleven
thousand that went on to another file, be it in the middle of one or after damage. Given a file of
a larger size or another codec, PyNvVideoCodec itself makes another decoder inside and may end one,
so each goes on to files of its own kind as long as there is room for others.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from lightning_pose.contracts.once import Once
from lightning_pose.video.excerpt import LARGEST, Excerpt, Span, lacks_references, num_bytes
from lightning_pose.video.info import VideoInfo
from lightning_pose.video.nvdec_errors import ERRORS
from lightning_pose.video.sample_table import SampleTable
from lightning_pose.video.segments import DamagedError

BUFFERED = 160  # frames a decoder is ahead; a larger batch needs more
_SHARE = 0.4  # of a GPU's memory, for decoders and what they deliver
_WAITING = 0.25  # of that, for decoders of other kinds than those that are wanted
_MAKING = threading.Lock()  # one at a time, as the driver makes them anyway
_logger = logging.getLogger(__name__)
Times = Callable[[int, int], Int64[np.ndarray, " n"]]


@dataclass(frozen=True)
class DecoderKind:
    """What a decoder is made for.

    Attributes:
        gpu: the number of its GPU.
        buffered: frames that it is to be ahead.
        codec: of the videos.
        size: width and height of the pictures.
        coded_size: width and height of what is stored of them.
    """

    gpu: int
    buffered: int
    codec: str
    size: tuple[int, int]
    coded_size: tuple[int, int]

    @classmethod
    def of(cls, info: VideoInfo, *, gpu: int, buffered: int) -> DecoderKind:
        """Return the kind that suits a video."""
        return cls(gpu, buffered, info.codec, (info.width, info.height), info.coded_size)

    @property
    def num_bytes(self) -> int:
        """Return how much of the GPU's memory its frames take, as NVDEC delivers them (NV12)."""
        width, height = self.size
        return self.buffered * 3 // 2 * width * height


class Decoder:
    """One of NVIDIA's decoders, with the stream on which its pictures arrive.

    Attributes:
        kind: of the files that it read last, or will read first.
    """

    def __init__(self, kind: DecoderKind) -> None:
        self.kind = kind
        self.device = torch.device("cuda", kind.gpu)
        # torch lends the same 32 streams again and again. While kernels are recorded on one,
        # nothing else may use it: so decoders take theirs from those of the other priority.
        self.stream = torch.cuda.Stream(self.device, priority=-1)
        self._threaded: Any = None
        self._excerpt: Excerpt | None = None

    def begin(self, video: Path, table: SampleTable, span: Span) -> Times:
        """Go to the beginning of some frames of a video.

        Returns:
            What tells for frames [start, stop) the times at which they will be said to be shown.

        Raises:
            DamagedError: NVDEC cannot decode them, or some were lost.
            OSError: the video cannot be read.
        """
        if lacks_references(video, table, span):
            raise DamagedError(f"{video} lacks reference frames.")
        if num_bytes(table, span) > LARGEST:
            self._open(video, span.start)
            self._excerpt = None
            return lambda start, stop: table.times[start:stop]
        excerpt = Excerpt(video, table, span)
        self._open(excerpt.path, 0)
        self._excerpt = excerpt  # lives as long as it is read
        return excerpt.times

    def _open(self, path: Path, number: int) -> None:
        try:
            if self._threaded is not None:
                try:
                    self._threaded.reconfigure_decoder(str(path), number)
                    return
                except Exception as error:  # of what it read before it may not be able to let go
                    _logger.debug("A decoder cannot go on to %s; another is made: %s", path, error)
                broken, self._threaded = self._threaded, None
                broken.end()
            with _MAKING:
                self._threaded = _codec().ThreadedDecoder(
                    str(path),
                    self.kind.buffered,
                    gpu_id=self.device.index,
                    cuda_stream=self.stream.cuda_stream,
                    use_device_memory=True,
                    start_frame=number,
                )
        except Exception as error:  # its own kinds, which are no kind of one another
            raise DamagedError(f"NVDEC cannot begin at frame {number}: {error}") from error

    def frames(self, number: int) -> list[Any]:
        """Return the next frames, fewer at the end; they live until the next call."""
        try:
            return list(self._threaded.get_batch_frames(number))
        except Exception as error:  # as above
            raise DamagedError(f"NVDEC gives no more frames: {error}") from error


def room_on(gpu: int) -> int:
    """Return how many bytes of a GPU's memory are for decoders and what they deliver."""
    return int(torch.cuda.mem_get_info(gpu)[1] * _SHARE)


class Decoders:
    """Decoders that wait for their next stretch of video, as many at a time as a GPU has room."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._all: list[Decoder] = []
        self._idle: list[Decoder] = []
        self._coming: Counter[DecoderKind] = Counter()  # made by those who do not read
        self._lent: defaultdict[int, list[int]] = defaultdict(list)
        self._streams: dict[int, torch.cuda.Stream] = {}
        self._have_room: set[int] = set()

    @contextmanager
    def room(self, gpu: int, num_bytes: int, kinds: Collection[DecoderKind]) -> Iterator[None]:
        """Wait until there is room for what is read meanwhile, or nobody else reads.

        Within it this thread need not wait again. Videos that are read side by side get their room
        at once, as threads that each have some of theirs would wait for one another.

        Args:
            gpu: its number.
            num_bytes: of memory that decoders and what becomes of their frames take.
            kinds: of these decoders.
        """
        thread = threading.get_ident()
        if thread in self._have_room:
            yield
            return
        with self._changed:
            room, lent = room_on(gpu), self._lent[gpu]

            def is_there() -> bool:
                return not lent or sum(lent) + self._waiting(gpu, kinds) + num_bytes <= room

            self._changed.wait_for(is_there)
            lent.append(num_bytes)
            self._have_room.add(thread)
        try:
            yield
        finally:
            with self._changed:
                self._have_room.discard(thread)  # another may be the one that ends it
                lent.remove(num_bytes)
                self._changed.notify_all()

    def _waiting(self, gpu: int, kinds: Collection[DecoderKind]) -> int:
        """Return how many bytes the idle decoders of all other kinds take."""
        idle = (it.kind for it in self._idle)
        return sum(it.num_bytes for it in idle if it.gpu == gpu and it not in kinds)

    @contextmanager
    def one(self, kind: DecoderKind, *, num_bytes: int) -> Iterator[Decoder]:
        """Lend a decoder, once there is room for what is read with it.

        Args:
            kind: what is to be decoded.
            num_bytes: see :meth:`room`.
        """
        with self.room(kind.gpu, num_bytes, (kind,)):
            decoder = self._taken(kind)
            try:
                with ERRORS.listening():
                    yield decoder
            finally:
                self.keep(decoder)

    def _taken(self, kind: DecoderKind) -> Decoder:
        def idle() -> Decoder | None:
            return next((it for it in self._idle if it.kind == kind), None)

        with self._changed:
            # As one at a time is made, to wait for that one is sooner than to have one made.
            self._changed.wait_for(lambda: idle() is not None or not self._coming[kind])
            found = idle()
            if found is None and self._waiting(kind.gpu, (kind,)) > _WAITING * room_on(kind.gpu):
                like = (kind.gpu, kind.buffered)
                others = (it for it in self._idle if (it.kind.gpu, it.kind.buffered) == like)
                found = next(others, None)
            if found is None:
                return self._made(kind)
            self._idle.remove(found)
            found.kind = kind
            self._changed.notify_all()  # idle ones take less room now
            return found

    def _made(self, kind: DecoderKind) -> Decoder:
        self._all.append(Decoder(kind))
        return self._all[-1]

    @contextmanager
    def another(self, kind: DecoderKind, *, at_most: int) -> Iterator[Decoder | None]:
        """Lend a new decoder to whoever only makes it; none where there are enough of its kind.

        Whoever wants to read with one meanwhile, and finds none idle, waits for this one.

        Args:
            kind: what is to be decoded.
            at_most: how many there may be, those that are lent included.
        """
        with self._changed:
            there = sum(it.kind == kind for it in self._all)
            decoder = self._made(kind) if there < at_most else None
            self._coming[kind] += decoder is not None
        try:
            yield decoder
        finally:
            if decoder is not None:
                with self._changed:
                    self._coming[kind] -= 1
                    self.keep(decoder)

    def new_frames(self, gpu: int, shape: tuple[int, ...]) -> UInt8[Tensor, "n height width 3"]:
        """Return memory for frames, which is the next decoder's once nobody needs it.

        torch keeps freed memory for the stream it was asked for on. Asked for on each decoder's
        own, a long film came to hold as much as each of them ever had, all at once.

        Args:
            gpu: its number.
            shape: of what is returned. Whoever writes there has to wait for that before it is
                used by others or let go, and whoever reads it on a stream to call its
                ``record_stream``.
        """
        with self._changed:
            if gpu not in self._streams:  # of this priority for the reason in Decoder
                self._streams[gpu] = torch.cuda.Stream(torch.device("cuda", gpu), priority=-1)
            stream = self._streams[gpu]
        with torch.cuda.stream(stream):
            return torch.empty(shape, dtype=torch.uint8, device=stream.device)

    def keep(self, decoder: Decoder) -> None:
        """Take a decoder that has nothing to do."""
        with self._changed:
            self._idle.append(decoder)
            self._changed.notify_all()


DECODERS = Decoders()


@Once
def why_no_codec() -> str | None:
    """Return why PyNvVideoCodec cannot be used here, in one sentence; None if it can."""
    try:
        _codec()
        with ERRORS.listening():  # or damage would go unnoticed
            pass
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        return f"PyNvVideoCodec cannot be used here: {reason}. Install it, or the GPU's driver."
    return None


def _codec() -> Any:
    import PyNvVideoCodec  # pyright: ignore[reportMissingImports]

    return PyNvVideoCodec
