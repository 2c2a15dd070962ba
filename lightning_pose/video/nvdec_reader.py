"""The reader that decodes on the video engines (NVDEC) of a GPU, with NVIDIA's PyNvVideoCodec.

Seen with PyNvVideoCodec 2.2 on an H200: brightness is that of FFmpeg to the last bit; decoders
work side by side as threads of one process; making one takes 60 ms, and only one is made at a
time. Each frame says when it is shown, which tells its number. A decoder opens its file with
FFmpeg, so it is given excerpts (:mod:`~lightning_pose.video.excerpt`), from their first frame on:
a start further on is off by one near open groups of pictures.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from av.error import FFmpegError
from jaxtyping import Int64, UInt8
from torch import Tensor

from lightning_pose.contracts.errors import VideoError
from lightning_pose.contracts.registry import READERS
from lightning_pose.ops.kernels import kernel_module, why_no_kernels
from lightning_pose.ops.recording import RECORDINGS
from lightning_pose.ops.yuv import YuvToRgb
from lightning_pose.video.batching import Part, RawFrames, filled_batches
from lightning_pose.video.excerpt import Span, spans
from lightning_pose.video.frame_count import decode_whole
from lightning_pose.video.info import VideoInfo
from lightning_pose.video.nvdec_decoders import (
    BUFFERED,
    DECODERS,
    Decoder,
    DecoderKind,
    why_no_codec,
)
from lightning_pose.video.nvdec_errors import ERRORS, doubt_about
from lightning_pose.video.nvdec_limits import limits_on
from lightning_pose.video.nvdec_rules import table_of, why_not_plain
from lightning_pose.video.pyav_reader import PyAVReader
from lightning_pose.video.sample_table import SampleTable
from lightning_pose.video.segments import DamagedError, Segment, batch_sizes, check_consecutive

_BATCHES = 6  # of frames that one thread has in memory: made, put together, waiting, predicted
_SILENT = ("hevc",)  # codecs that FFmpeg patches without a word


@READERS.register("pynvvc")
class NvdecReader(PyAVReader):
    """Decodes plain MP4 and MOV files on a GPU; frames never leave it.

    It takes files whose index names every frame, and numbers frames by the times that the index
    gives them. Pictures that are whole are those of PyAV to the last bit. Where NVDEC does not
    deliver each frame of the index, PyAV reads the video instead; also where NVDEC tells of a
    picture that it could not decode, and FFmpeg finds damage there too. Whoever reads segments on
    a stream of the GPU calls the ``record_stream`` of what they yield.

    Args:
        video: the file.
        batch_size: frames to be predicted per batch.
        halo: frames of context at either end of each batch.
        device: the GPU.

    Raises:
        VideoError: the batch size or halo is impossible, or the video cannot be read.
    """

    priority: ClassVar[int] = 10

    def __init__(
        self,
        video: Path | str,
        *,
        batch_size: int,
        halo: int = 0,
        device: torch.device | str = "cuda",
    ) -> None:
        super().__init__(video, batch_size=batch_size, halo=halo, device=device)
        self.gpu = _number_of(device)
        self._doubtful: set[Span] = set()

    @classmethod
    def usable(cls, video: Path, *, device: torch.device | str = "cpu") -> str | None:
        """Return None if this reader can be trusted with ``video``, else why not."""
        if torch.device(device).type != "cuda":
            return "NVDEC is part of a GPU; this is for device cuda."
        if not torch.cuda.is_available():
            return "There is no GPU here."
        gpu = _number_of(device)
        if gpu >= torch.cuda.device_count():
            return f"There is no GPU {gpu} here."
        reason = why_no_codec() or why_no_kernels(gpu)
        return reason or why_not_plain(video, partial(limits_on, gpu))

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the file; complete once all of it was read."""
        if not self._doubtful:
            return super().problems
        return (*super().problems, doubt_about(self._doubtful, self.info.codec))

    def __iter__(self) -> Iterator[RawFrames]:
        """Yield every frame once, as PyAV decodes them."""
        self._doubtful.clear()  # those were NVDEC's
        return super().__iter__()

    def _read(self, segments: Sequence[Segment]) -> Iterator[RawFrames]:
        """Yield the frames of consecutive segments on the GPU, whole: nothing waits for them."""
        start, stop = check_consecutive(segments)
        table = self._table or table_of(self.info)
        part = Part(start, stop, table.num_frames)
        with DECODERS.one(self.kind, num_bytes=self.num_bytes) as decoder:
            source = _Frames(self.info, decoder, table, *part.with_context(self._halo))
            size = (self.info.height, self.info.width)
            batches = filled_batches(
                source.fill,
                empty=lambda number: DECODERS.new_frames(self.gpu, (number, *size, 3)),
                capacity=self._batch_size,
                sizes=batch_sizes(segments, self._batch_size),
                halo=self._halo,
                part=part,
            )
            while True:
                try:  # a decoder may begin a file, and kernels may be loaded
                    with RECORDINGS.disturbing(), torch.cuda.stream(decoder.stream):
                        batch = next(batches, None)
                finally:  # then others may write where this was written, also after an error
                    decoder.stream.synchronize()
                while source.in_doubt:
                    self._check(table, source.in_doubt.pop(0))
                if batch is None:
                    return
                yield batch

    @property
    def kind(self) -> DecoderKind:
        """Return what decodes it."""
        buffered = max(BUFFERED, self._batch_size)
        return DecoderKind.of(self.info, gpu=self.gpu, buffered=buffered)

    @property
    def num_bytes(self) -> int:
        """Return how much of the GPU's memory reading takes, in one thread."""
        converted = _BATCHES * self._batch_size * 3 * self.info.width * self.info.height
        return self.kind.num_bytes + converted

    def _check(self, table: SampleTable, span: Span) -> None:
        """Decode frames with FFmpeg, as NVDEC has told of a picture: of these or of others.

        Raises:
            DamagedError: FFmpeg finds damage too.
            OSError: the video cannot be read any more.
        """
        try:
            decode_whole(self.info, table, Segment(span.start, span.shown))
        except FFmpegError as error:
            raise DamagedError(f"{self.info.path} cannot be decoded: {error}") from error
        if self.info.codec in _SILENT:
            self._doubtful.add(span)


class _Frames:
    """Consecutive frames of a video as a decoder delivers them.

    Args:
        info: the video.
        decoder: is used by nothing else meanwhile.
        table: of the video.
        start: the first frame.
        stop: the first after them.

    Attributes:
        in_doubt: spans while which were decoded NVDEC told of a picture, maybe one of theirs.
    """

    def __init__(
        self,
        info: VideoInfo,
        decoder: Decoder,
        table: SampleTable,
        start: int,
        stop: int,
    ) -> None:
        self.in_doubt: list[Span] = []
        self._decoder = decoder
        self._conversion = _conversion(info)
        # Not a method: it would live, with what the decoder gave, until Python looks for cycles.
        self._found = _decoded(info, decoder, table, start, stop, in_doubt=self.in_doubt)
        next(self._found, None)

    def fill(self, rgb: UInt8[Tensor, "n height width 3"]) -> int:
        """Write the next frames, as many as there is room for; return how many those were.

        Raises:
            DamagedError: NVDEC does not deliver one of them.
        """
        kernels: Any = kernel_module("yuv_kernels", rgb.device)
        try:
            frames = self._found.send(len(rgb))
        except StopIteration:
            return 0
        try:
            places = torch.tensor([frame.GetPtrToPlane(0) for frame in frames])
            kernels.nv12_at_to_rgb(places.to(rgb.device), rgb[: len(frames)], self._conversion)
            self._decoder.stream.synchronize()  # then the decoder may reuse the memory
            return len(frames)
        finally:
            frames.clear()  # an error's traceback would keep them


def _decoded(
    info: VideoInfo,
    decoder: Decoder,
    table: SampleTable,
    start: int,
    stop: int,
    *,
    in_doubt: list[Span],
) -> Generator[list[Any], int]:
    """Yield as many of the next frames as are sent for, or fewer; whoever takes them clears them.

    So nothing keeps what a decoder gave when it is asked for more, or for another video.
    """
    room = yield []
    for span in spans(table, start, stop):
        before, checked = ERRORS.count(), False
        times = decoder.begin(info.path, table, span)
        number = span.start
        while number < span.shown:
            passed_over = max(0, min(start, span.shown) - number)
            most = min(passed_over or room, span.shown - number, decoder.kind.buffered)
            frames = decoder.frames(most)
            found = len(frames)
            wrong = _wrong_with(frames, number, times(number, number + found), info)
            if wrong:
                frames.clear()
                raise DamagedError(f"{info.path}: {wrong}")
            if not checked and ERRORS.count() > before:
                in_doubt.append(span)
                checked = True
            number += found
            if passed_over:
                frames.clear()
            else:
                room = yield frames


def _wrong_with(
    frames: Sequence[Any], number: int, times: Int64[np.ndarray, " n"], info: VideoInfo
) -> str | None:
    """Return what is wrong with frames from ``number`` on, in one sentence; None if nothing is."""
    if not frames or [frame.timestamp for frame in frames] != times.tolist():
        return f"NVDEC gives no frame {number}."
    shape = (info.height * 3 // 2, info.width)  # of NV12
    if any(tuple(frame.shape) != shape for frame in frames):
        return "the frames' size changes midway."
    return None


@runtime_checkable
class _TakesRoom(Protocol):
    @property
    def kind(self) -> DecoderKind: ...

    @property
    def num_bytes(self) -> int: ...


def room_for(readers: Sequence[object]) -> AbstractContextManager[None]:
    """Wait until a GPU has room for what this thread reads with these readers, side by side."""
    on_gpu = [it for it in readers if isinstance(it, _TakesRoom)]
    if not on_gpu:
        return nullcontext()
    kinds = {it.kind for it in on_gpu}
    (gpu,) = {kind.gpu for kind in kinds}
    return DECODERS.room(gpu, sum(it.num_bytes for it in on_gpu), kinds)


def _number_of(device: torch.device | str) -> int:
    index = torch.device(device).index
    return torch.cuda.current_device() if index is None else index


def _conversion(info: VideoInfo) -> YuvToRgb:
    full_range = info.full_range or info.pixel_format == "yuvj420p"
    conversion = YuvToRgb.of(info.colour_matrix, full_range=full_range)
    if conversion is None:
        raise VideoError(f"{info.path} has colours of a kind not known here.")
    return conversion
