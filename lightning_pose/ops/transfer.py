"""From the host to the device without waiting."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Return a CPU tensor on ``device``, without making the host wait for the copy.

    From pinned memory a copy to a GPU is queued like any kernel; from ordinary memory it would
    wait until all that is queued is done.
    """
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
