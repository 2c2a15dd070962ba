"""The kernel that shows whether Triton works does what it is to."""

from __future__ import annotations

import torch

from tests.ops.interpreted import DEVICE, NEEDS_GPU

pytestmark = NEEDS_GPU


def test_it_counts_right() -> None:
    from lightning_pose.ops.trial_kernels import works

    assert works(torch.device(DEVICE))
