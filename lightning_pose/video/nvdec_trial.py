"""Trying the video engine of a GPU on a video made for it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from lightning_pose.contracts.errors import LitposeError, VideoError
from lightning_pose.video.nvdec_decoders import why_no_codec
from lightning_pose.video.nvdec_reader import NvdecReader
from lightning_pose.video.writer import VideoWriter

_SIDE, _FRAMES = 256, 20
_GREY_LEVELS = 3.0


def why_no_nvdec(device: str = "cuda") -> str | None:
    """Return why videos are not decoded with NVDEC here, in one sentence; None if it does.

    Twenty frames of growing brightness are written and read back.
    """
    if not torch.cuda.is_available():
        return "There is no GPU here."
    if reason := why_no_codec():
        return reason
    levels = np.linspace(30, 220, _FRAMES).round()
    try:
        read = _read_back(levels, device)
    except (LitposeError, RuntimeError) as error:
        return f"NVDEC failed ({str(error).strip().splitlines()[0].rstrip('.')})."
    if len(read) != len(levels) or np.abs(read - levels).max() > _GREY_LEVELS:
        return "NVDEC gives other frames than were written."
    return None


def _read_back(levels: np.ndarray, device: str) -> np.ndarray:
    """Return the mean brightness of each frame that comes back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.mp4"
        with VideoWriter(path, fps=25, width=_SIDE, height=_SIDE) as video:
            for level in levels:
                video.write(np.full((_SIDE, _SIDE, 3), level, dtype=np.uint8))
        if reason := NvdecReader.usable(path, device=device):
            raise VideoError(reason)
        reader = NvdecReader(path, batch_size=8, device=device)
        batches = reader.read(reader.segments)
        means = [batch.frames.float().mean(dim=(1, 2, 3)).cpu() for batch in batches]
    return torch.cat(means).numpy()
