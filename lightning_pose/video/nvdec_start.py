"""Making decoders of a GPU before they are needed: while a model is read, which takes as long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from lightning_pose.contracts.errors import VideoError
from lightning_pose.ops.recording import RECORDINGS
from lightning_pose.video.excerpt import spans
from lightning_pose.video.nvdec_decoders import DECODERS, room_on
from lightning_pose.video.nvdec_errors import ERRORS
from lightning_pose.video.nvdec_reader import NvdecReader
from lightning_pose.video.nvdec_rules import table_of


@contextmanager
def decoders_prepared(
    video: Path, *, device: torch.device | str, number: int, batch_size: int
) -> Iterator[None]:
    """Make decoders meanwhile that readers of ``video``, and of others, find ready.

    Does nothing where :class:`NvdecReader` would not be used. The thread that makes them has ended
    when this ends, so that the interpreter does not end while one is being made.

    Args:
        video: the one that is read first.
        device: where it is decoded.
        number: how many there are to be in all.
        batch_size: frames that readers will put into a batch; a decoder is ahead by as many at
            least.
    """
    left = threading.Event()

    def prepare() -> None:
        with suppress(VideoError, RuntimeError, OSError):  # whoever reads the video will tell
            if NvdecReader.usable(video, device=device) is None:
                _prepare(NvdecReader(video, batch_size=batch_size, device=device), number, left)

    thread = threading.Thread(target=prepare, name="litpose-warm", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()


def _prepare(reader: NvdecReader, number: int, left: threading.Event) -> None:
    table = table_of(reader.info)
    number = min(number, room_on(reader.gpu) // reader.kind.num_bytes)
    for segment in reader.segments[:number]:
        if left.is_set():
            return
        with DECODERS.another(reader.kind, at_most=number) as decoder:
            if decoder is None:  # readers have made theirs meanwhile
                return
            span = spans(table, segment.start, segment.stop)[0]
            with ERRORS.listening(), RECORDINGS.disturbing():
                decoder.begin(reader.info.path, table, span)
                decoder.frames(1)  # it is made by then, and begins anew with whoever takes it
