"""The kernel that makes the network's input does what two steps of torch do.

Without a GPU it is interpreted on the CPU (``test_interpreted_kernels.py``).
"""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from lightning_pose.ops.resize import resize_frames
from tests.ops.interpreted import DEVICE, NEEDS_GPU

pytestmark = NEEDS_GPU
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


@pytest.mark.parametrize("target", [(64, 64), (24, 16), (125, 75)])
def test_it_resizes_and_normalises(target: tuple[int, int]) -> None:
    from lightning_pose.ops.resize_kernels import resize_and_normalise

    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (2, 101, 99, 3), dtype=torch.uint8, generator=generator)
    found = resize_and_normalise(
        frames.to(DEVICE), *target, mean=MEAN, std=STD, dtype=torch.float32
    )
    assert found.is_contiguous(memory_format=torch.channels_last)
    std, mean = torch.tensor(STD).view(3, 1, 1), torch.tensor(MEAN).view(3, 1, 1)
    levels = (found.cpu() * std + mean) * 255
    assert (levels - resize_frames(frames, *target)).abs().max() < 1.01  # which rounds twice
    planes = frames.permute(0, 3, 1, 2).float()
    expected = F.interpolate(planes, target, mode="bilinear", antialias=True).round()
    off = (levels - expected).abs() > 0.01
    assert off.float().mean() < 1e-3  # some halves are rounded to the other side
