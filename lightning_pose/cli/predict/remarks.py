"""What is said once, after all of a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from lightning_pose.contracts.errors import VideoError
from lightning_pose.data.wording import count
from lightning_pose.inference.inputs import Kind
from lightning_pose.inference.outcome import Outcome
from lightning_pose.video.nvdec_reader import NvdecReader
from lightning_pose.video.nvdec_rules import NOBODY_LOOKED


def cpu_remark(outcomes: Sequence[Outcome], *, device: torch.device) -> str | None:
    """Return the sentence on videos that a GPU decodes after `litpose preflight`; None if none.

    Args:
        outcomes: what became of the inputs.
        device: of the model.
    """
    done = [item for outcome in outcomes if outcome.seconds for item in outcome.inputs]
    videos = [item.path for item in done if item.kind is Kind.VIDEO]
    number = sum(_would_be_for_nvdec(path, device) for path in videos)
    if not number:
        return None
    return (
        f"{count(number, 'video')} of a codec in which NVDEC tells of no damage: decoded on the "
        "CPU. Once `litpose preflight` has found them whole the GPU decodes them."
    )


def _would_be_for_nvdec(path: Path, device: torch.device) -> bool:
    try:
        return NvdecReader.usable(path, device=device) == NOBODY_LOOKED
    except VideoError:  # it is gone meanwhile, perhaps
        return False
