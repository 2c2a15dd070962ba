"""Hand what was drawn on the host to the device without waiting for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lightning_pose.data.augmentation.transform import Draws
from lightning_pose.ops.transfer import to_device


def array_to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Return ``array`` on ``device``: whole numbers as int64, all else as float32."""
    kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
    return to_device(torch.from_numpy(np.ascontiguousarray(array, dtype=kind)), device)


def draws_to_device(draws: Draws, device: torch.device) -> Draws:
    """Return ``draws`` with every array on ``device`` and every plain number as it is."""
    return {
        name: array_to_device(value, device) if isinstance(value, np.ndarray) else value
        for name, value in draws.items()
    }
