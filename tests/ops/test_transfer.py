"""Tensors come over to the device unchanged, from pinned memory to a GPU."""

from __future__ import annotations

import pytest
import torch

from lightning_pose.ops.transfer import to_device


def test_on_the_cpu_a_tensor_stays_where_it_is() -> None:
    tensor = torch.arange(6).reshape(2, 3)
    assert to_device(tensor, "cpu") is tensor


@pytest.mark.gpu
def test_a_gpu_gets_the_same_numbers() -> None:
    tensor = torch.arange(6).reshape(2, 3)
    moved = to_device(tensor, torch.device("cuda"))
    assert moved.is_cuda
    assert torch.equal(moved.cpu(), tensor)
