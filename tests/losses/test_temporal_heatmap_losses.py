"""Temporal losses on heatmaps against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from lightning_pose.losses.factory import build_loss
from tests.losses.test_heatmap_losses import maps

FORMULAE = {
    "temporal_heatmap_mse": lambda one, other: ((one - other) ** 2).sum(),
    "temporal_heatmap_kl": entropy,
}


@pytest.mark.parametrize("name", FORMULAE)
def test_value_equals_the_one_scipy_gives(name: str) -> None:
    heatmaps = maps(0, 6, 3, 8, 10)
    flat = heatmaps.double().flatten(2).numpy()
    expected = np.mean(
        [FORMULAE[name](flat[t, k], flat[t + 1, k]) for t in range(5) for k in range(3)]
    )
    found = build_loss(name)(heatmaps_pred=heatmaps)
    assert found.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", FORMULAE)
def test_maps_that_stay_cost_nothing(name: str) -> None:
    heatmaps = maps(0, 1, 3, 8, 10).expand(6, -1, -1, -1)
    assert build_loss(name)(heatmaps_pred=heatmaps).item() == 0


@pytest.mark.parametrize("name", FORMULAE)
def test_a_single_frame_gives_zero_with_a_gradient(name: str) -> None:
    heatmaps = maps(0, 1, 3, 8, 10).requires_grad_()
    value = build_loss(name)(heatmaps_pred=heatmaps)
    value.backward()
    assert value.item() == 0
    assert heatmaps.grad is not None
    assert heatmaps.grad.abs().max() == 0


@pytest.mark.parametrize("name", FORMULAE)
def test_maps_of_zero_probability_stay_finite(name: str) -> None:
    heatmaps = torch.zeros(2, 1, 4, 4)
    heatmaps[0, 0, 0, 0] = heatmaps[1, 0, 3, 3] = 1
    assert torch.isfinite(build_loss(name)(heatmaps_pred=heatmaps))
