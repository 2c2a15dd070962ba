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
def decoders_prepared(video: Path, *, device: torch.device | str, number: int) -> Iterator[None]:
    """Make decoders meanwhile that readers of ``video``, and of others, find ready.

    Does nothing where :class:`NvdecReader` would not be used. The thread that makes them has ended
    when this ends, so that the interpreter does not end while one is being made.

    Args:
        video: the one that is read first.
        device: where it is decoded.
        number: how many there are to be in all.
    """
    left = threading.Event()
    thread = threading.Thread(
        target=_prepare, args=(video, device, number, left), name="litpose-warm", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()


def _prepare(video: Path, device: torch.device | str, number: int, left: threading.Event) -> None:
    with suppress(VideoError, RuntimeError, OSError):  # whoever reads the video will tell
        if NvdecReader.usable(video, device=device) is not None:
            return
        reader = NvdecReader(video, batch_size=1, device=device)
        table = table_of(reader.info)
        number = min(number, room_on(reader.gpu) // reader.kind.num_bytes)
        for segment in reader.segments[:number]:
            if left.is_set():
                return
            with DECODERS.another(reader.kind, at_most=number) as decoder:
                if decoder is None:  # readers have made theirs meanwhile
                    return
                with ERRORS.listening(), RECORDINGS.disturbing():
                    decoder.begin(video, table, spans(table, segment.start, segment.stop)[0])
                    decoder.frames(1)  # it is made by then, and begins anew with whoever takes it
