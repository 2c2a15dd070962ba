"""Kernels that move feature maps about do what several steps of torch do.

Without a GPU they are interpreted on the CPU, by a process that is told to before it starts
(``test_interpreted_kernels.py``).
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_pose.ops.resize import enlarge_maps
from tests.ops.interpreted import DEVICE, NEEDS_GPU

pytestmark = NEEDS_GPU


def maps(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(*shape, generator=generator).to(DEVICE, dtype)
    return values.contiguous(memory_format=torch.channels_last)


def check_channels_last(found: Tensor) -> None:
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_squares_of_pixels_become_channels() -> None:
    from lightning_pose.ops.feature_kernels import quarter_pixels

    images = maps(2, 3, 8, 12)
    found = quarter_pixels(images)
    check_channels_last(found)
    assert found.shape == (2, 16, 4, 6)
    assert not found[:, 12:].any()
    for i in range(2):
        for j in range(2):
            first = 3 * (2 * i + j)
            assert torch.equal(found[:, first : first + 3], images[:, :, i::2, j::2])


@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
def test_pooling_knows_bias_and_border(size: tuple[int, int]) -> None:
    from lightning_pose.ops.feature_kernels import bias_relu_max_pool

    whole, bias = maps(2, 64, 9, 13), torch.linspace(-1, 1, 64, device=DEVICE)
    height, width = (side // 2 * 2 for side in size)
    found = bias_relu_max_pool(whole, bias, height, width)
    counting = (whole + bias.view(1, -1, 1, 1)).relu()[:, :, :height, :width]
    check_channels_last(found)
    torch.testing.assert_close(found, F.max_pool2d(counting, 3, 2, 1))


@pytest.mark.parametrize("channels", [(24, 40), (1024, 2048), (2056, 24)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_coarser_maps_are_interpolated(dtype: torch.dtype, channels: tuple[int, int]) -> None:
    from lightning_pose.ops.feature_kernels import side_by_side

    fine = maps(3, channels[0], 8, 12, dtype=dtype)
    coarse = maps(3, channels[1], 4, 6, dtype=dtype)
    found = side_by_side(fine, coarse)
    check_channels_last(found)
    expected = torch.cat([fine, enlarge_maps(coarse.float(), 8, 12).to(dtype)], dim=1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("channels", [4, 96, 3072])
def test_pixels_are_shuffled(channels: int) -> None:
    from lightning_pose.ops.feature_kernels import shuffle_pixels

    values = maps(2, channels, 4, 6, dtype=torch.bfloat16)
    found = shuffle_pixels(values)
    check_channels_last(found)
    assert torch.equal(found, F.pixel_shuffle(values, 2))
