"""What PyNvVideoCodec does, done by FFmpeg on a CPU, so that all around it runs without a GPU."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import av
import numpy as np
import pytest
import torch
from av.error import FFmpegError

from lightning_pose.ops.yuv import YuvToRgb, nv12_to_rgb
from lightning_pose.video import nvdec_decoders, nvdec_reader, nvdec_start
from lightning_pose.video.nvdec_decoders import Decoders
from lightning_pose.video.nvdec_rules import LIMITS

TAKEN = {codec: replace(known, smallest=(16, 16)) for codec, known in LIMITS.items()}
SPOILT = 0xAA  # what is in the memory of a picture once it may be used again
_C = ctypes.CDLL(None)


@dataclass(frozen=True)
class Picture:
    """One frame, at a place in memory that its decoder will use again.

    Attributes:
        nv12: brightness, then colours.
        timestamp: when it is shown, as its file says.
    """

    nv12: np.ndarray
    timestamp: int

    @property
    def shape(self) -> tuple[int, int]:
        """Return the height and width of all planes together."""
        height, width = self.nv12.shape
        return height, width

    def GetPtrToPlane(self, plane: int) -> int:  # as there
        """Return where it begins."""
        assert plane == 0
        return self.nv12.ctypes.data


class ThreadedDecoder:
    """Gives the pictures of a file; where one is damaged it prints that, and gives a grey one.

    Attributes:
        complains_of: also of pictures that are whole, by their places in their files.
        outlived: times of pictures that somebody kept when a decoder was to go on.
    """

    complains_of: ClassVar[frozenset[int]] = frozenset()
    outlived: ClassVar[list[int]] = []

    def __init__(
        self,
        path: str,
        buffered: int,
        *,
        gpu_id: int,
        cuda_stream: int,
        use_device_memory: bool,
        start_frame: int,
    ) -> None:
        assert use_device_memory
        self._buffered = buffered
        self._lent: list[weakref.ref[Picture]] = []
        self._used: list[np.ndarray] = []
        self.reconfigure_decoder(path, start_frame)

    def reconfigure_decoder(self, path: str, start_frame: int) -> None:
        """Go to another file."""
        self._take_back()
        self._pictures = pictures(path)[start_frame:]
        for number in self.complains_of.intersection(range(len(self._pictures))):
            _say_damaged(number)

    def get_batch_frames(self, number: int) -> list[Picture]:
        """Return the next pictures; those returned before are gone."""
        assert 0 < number <= self._buffered
        self._take_back()
        lent, self._pictures = self._pictures[:number], self._pictures[number:]
        self._lent = [weakref.ref(picture) for picture in lent]
        self._used = [picture.nv12 for picture in lent]
        return lent

    def _take_back(self) -> None:
        self.outlived += [old.timestamp for it in self._lent if (old := it()) is not None]
        for memory in self._used:
            memory.fill(SPOILT)

    def end(self) -> None:
        """Do nothing, as there is nothing to let go of."""


def pictures(path: str) -> list[Picture]:
    """Return all pictures of a file in the order in which they are shown."""
    with av.open(path) as container:
        track = container.streams.video[0]
        shown, found = [], {}
        for packet in container.demux(track):
            if packet.pts is not None:
                shown.append(packet.pts)
            for frame in _decoded(track, packet):
                found[frame.pts] = as_nv12(frame)
        size = (track.height * 3 // 2, track.width)
    grey = np.full(size, 128, dtype=np.uint8)
    for time in sorted(set(shown) - set(found)):
        _say_damaged(time)
    return [Picture(found.get(time, grey).copy(), time) for time in sorted(shown)]


def _decoded(track: Any, packet: av.Packet[Any]) -> Iterator[av.VideoFrame]:
    try:
        for frame in track.decode(packet):
            if frame.is_corrupt:
                _say_damaged(frame.pts)
            yield frame
    except FFmpegError:
        return


def _say_damaged(time: int) -> None:
    _C.fprintf(
        ctypes.c_void_p.in_dll(_C, "stdout"),
        b"Decode Error occurred for picture %d\n",
        ctypes.c_int(time),
    )


def as_nv12(frame: av.VideoFrame) -> np.ndarray:
    """Return brightness and colours of a 4:2:0 picture one after the other, without gaps."""
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    )
    return np.concatenate([y, np.stack([u, v], axis=-1).reshape(len(u), -1)])


def nv12_at_to_rgb(places: torch.Tensor, rgb: torch.Tensor, conversion: YuvToRgb) -> None:
    """Write RGB pictures made of NV12 pictures that lie anywhere in memory."""
    _, height, width, _ = rgb.shape
    for place, picture in zip(places.tolist(), rgb, strict=True):
        memory = (ctypes.c_uint8 * (height * 3 // 2 * width)).from_address(place)
        nv12 = torch.from_numpy(np.frombuffer(memory, np.uint8).copy())
        picture.copy_(nv12_to_rgb(nv12.view(1, -1, width), height, conversion)[0])


class Stream:
    """A stream on which everything is done at once."""

    cuda_stream = 1

    def __init__(self, *_: object, **__: object) -> None:
        self.device = torch.device("cpu")

    def synchronize(self) -> None:
        """Wait for nothing."""


def imitate(monkeypatch: pytest.MonkeyPatch) -> Decoders:
    """Let this process seem to have a GPU that decodes; return its decoders."""
    decoders = Decoders()
    monkeypatch.setattr(ThreadedDecoder, "outlived", [])
    codec = SimpleNamespace(ThreadedDecoder=ThreadedDecoder)
    kernels = SimpleNamespace(nv12_at_to_rgb=nv12_at_to_rgb)
    fakes: dict[object, dict[str, Callable[..., object]]] = {
        torch.cuda: {
            "is_available": lambda: True,
            "current_device": lambda: 0,
            "device_count": lambda: 1,
            "Stream": Stream,
            "stream": lambda _: nullcontext(),
        },
        nvdec_decoders: {"_codec": lambda: codec, "room_on": lambda gpu: 1 << 30},
        nvdec_reader: {
            "why_no_codec": lambda: None,
            "why_no_kernels": lambda gpu: None,
            "limits_on": lambda gpu, codec: TAKEN.get(codec),
            "kernel_module": lambda name, device: kernels,
        },
        nvdec_start: {"room_on": lambda gpu: 1 << 30},
    }
    for place, those in fakes.items():
        for name, fake in those.items():
            monkeypatch.setattr(place, name, fake)
    for module in (nvdec_reader, nvdec_start):
        monkeypatch.setattr(module, "DECODERS", decoders)
    return decoders
