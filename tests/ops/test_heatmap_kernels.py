"""What kernels say of heatmaps is what several steps of torch say.

Without a GPU they are interpreted on the CPU, by a process that is told to before it starts.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightning_pose.ops import heatmaps
from lightning_pose.ops.heatmaps import locate_peaks, render_heatmaps, spatial_softmax
from lightning_pose.ops.kernels import kernel_module


def examples() -> dict[str, Tensor]:
    """Return maps to be looked at."""
    generator = torch.Generator().manual_seed(0)

    def scores(*shape: int, spread: float) -> Tensor:
        return spread * torch.randn(*shape, generator=generator)

    places = torch.rand(6, 4, 2, generator=generator) * 80 - 8
    unknown = spatial_softmax(scores(1, 4, 12, 10, spread=1.0))
    unknown[0, 1] = float("nan")
    unknown[0, 2, 0, 0] = float("nan")
    unknown[0, 3, 5, 5] = float("inf")
    return {
        "gaussians, some at the border": render_heatmaps(places, net_hw=(64, 64), factor=1),
        "noise": spatial_softmax(scores(2, 5, 32, 40, spread=3.0)),
        "peaks of one pixel": spatial_softmax(scores(2, 5, 16, 16, spread=30.0)),
        "larger than a block": spatial_softmax(scores(1, 2, 72, 96, spread=4.0)),
        "empty": torch.zeros(1, 2, 16, 16),
        "unknown": unknown,
    }


def check_peaks(device: str) -> None:
    """Compare places and confidences of all examples."""
    from lightning_pose.ops.heatmap_kernels import locate_peaks as by_kernel

    for name, maps in examples().items():
        for sigma, radius in ((1.25, 2), (2.0, 3)):
            whole = max(radius, math.ceil(3 * sigma))
            found = by_kernel(maps.to(device), sigma=sigma, radius=radius, whole=whole)
            expected = locate_peaks(maps, sigma=sigma, radius=radius)
            for ours, theirs in zip(found, expected, strict=True):
                torch.testing.assert_close(
                    ours.cpu(), theirs, atol=2e-5, rtol=1e-5, equal_nan=True, msg=name
                )


def check_softmax(device: str) -> None:
    """Compare maps that come as squares of pixels."""
    from lightning_pose.ops.heatmap_kernels import softmax_of_phases

    generator = torch.Generator().manual_seed(0)
    for n, side, rows, columns in ((2, 2, 5, 4), (2, 4, 6, 7), (1, 8, 3, 4), (0, 4, 6, 7)):
        k, height, width = 3, side * (rows - 1), side * (columns - 1)
        phases = 4 * torch.randn(n, k * side**2, rows, columns, generator=generator)
        phases[:1, 0, 1, 1] = float("nan")
        bias = torch.randn(k, height, width, generator=generator)
        whole = torch.nn.functional.pixel_shuffle(phases, side)[..., side - 1 :, side - 1 :]
        expected = spatial_softmax(whole[..., :height, :width] + bias)
        assert expected[:1, 0].isnan().all()
        there = phases.to(device).contiguous(memory_format=torch.channels_last)
        found = softmax_of_phases(there, bias.to(device)).cpu()
        torch.testing.assert_close(found, expected, equal_nan=True)


def check_largest(device: str) -> None:
    """Compare maps of as many pixels as one program takes."""
    from lightning_pose.ops.heatmap_kernels import LARGEST, softmax_of_phases

    side = math.isqrt(LARGEST) // 4
    phases = torch.randn(1, 16, side + 1, side + 1, generator=torch.Generator().manual_seed(0))
    bias = torch.zeros(1, 4 * side, 4 * side)
    whole = torch.nn.functional.pixel_shuffle(phases, 4)[..., 3:-1, 3:-1]
    there = phases.to(device).contiguous(memory_format=torch.channels_last)
    found = softmax_of_phases(there, bias.to(device)).cpu()
    torch.testing.assert_close(found, spatial_softmax(whole))


CHECKS = (check_peaks, check_softmax, check_largest)


@pytest.mark.parametrize("check", [check.__name__ for check in CHECKS])
def test_interpreted_kernels_say_the_same(check: str, checkout: Path) -> None:
    pytest.importorskip("triton")
    code = f"from tests.ops.test_heatmap_kernels import {check}; {check}('cpu')"
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(checkout)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.gpu
@pytest.mark.parametrize("check", CHECKS)
def test_kernels_say_the_same_on_a_gpu(check: Callable[[str], None]) -> None:
    check("cuda")


@pytest.mark.gpu
def test_predictions_use_them_and_training_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def kernel_module_(name: str, device: torch.device) -> object:
        asked.append(name)
        return kernel_module(name, device)

    monkeypatch.setattr(heatmaps, "kernel_module", kernel_module_)
    maps = examples()["noise"].cuda()
    with torch.inference_mode():
        points, confidence = locate_peaks(maps)
        assert asked == ["heatmap_kernels"]
        assert kernel_module("heatmap_kernels", maps.device) is not None
        locate_peaks(maps.double())
    expected = locate_peaks(maps.requires_grad_())
    assert len(asked) == 1
    assert expected[0].requires_grad
    torch.testing.assert_close(points, expected[0].detach(), atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(confidence, expected[1].detach(), atol=2e-5, rtol=1e-5)
