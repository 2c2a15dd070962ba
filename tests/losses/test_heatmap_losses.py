"""The supervised heatmap losses against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from lightning_pose.losses.factory import build_loss

HEATMAP_LOSSES = ("heatmap_mse", "heatmap_kl", "heatmap_js")


def maps(seed: int, *shape: int) -> torch.Tensor:
    raw = 0.02 + torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) ** 4
    return raw / raw.sum(dim=(-2, -1), keepdim=True)


def evaluate(name: str, targ: torch.Tensor, pred: torch.Tensor) -> torch.Tensor:
    return build_loss(name)(heatmaps_targ=targ, heatmaps_pred=pred)


def by_numpy(name: str, targ: np.ndarray, pred: np.ndarray) -> float:
    pixels = targ.shape[-2] * targ.shape[-1]
    rows = zip(targ.reshape(-1, pixels), pred.reshape(-1, pixels), strict=True)
    formula = {
        "heatmap_mse": lambda t, p: ((p - t) ** 2).sum(),
        "heatmap_kl": entropy,
        "heatmap_js": lambda t, p: jensenshannon(t, p) ** 2,
    }[name]
    return float(np.mean([formula(t, p) for t, p in rows]))


@pytest.mark.parametrize("name", HEATMAP_LOSSES)
def test_value_equals_the_one_scipy_gives(name: str) -> None:
    targ, pred = maps(0, 3, 4, 16, 12), maps(1, 3, 4, 16, 12)
    expected = by_numpy(name, targ.double().numpy(), pred.double().numpy())
    assert evaluate(name, targ, pred).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", HEATMAP_LOSSES)
def test_keypoints_without_a_target_do_not_count(name: str) -> None:
    targ, pred = maps(0, 2, 3, 8, 8), maps(1, 2, 3, 8, 8)
    targ[0, 1] = 0
    targ[1, 2] = 0
    kept = [(0, 0), (0, 2), (1, 0), (1, 1)]
    expected = np.mean(
        [by_numpy(name, targ[i, k, None].numpy(), pred[i, k, None].numpy()) for i, k in kept]
    )
    assert evaluate(name, targ, pred).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", HEATMAP_LOSSES)
def test_uniform_targets_count(name: str) -> None:
    targ, pred = maps(0, 1, 2, 8, 8), maps(1, 1, 2, 8, 8)
    without = targ.clone()
    targ[0, 1] = 1 / 64
    without[0, 1] = 0
    expected = by_numpy(name, targ.numpy(), pred.numpy())
    assert evaluate(name, targ, pred).item() == pytest.approx(expected, rel=1e-4)
    assert evaluate(name, targ, pred) != evaluate(name, without, pred)


@pytest.mark.parametrize("name", HEATMAP_LOSSES)
def test_two_heads_stacked_give_the_mean_of_both(name: str) -> None:
    targ, first, second = maps(0, 2, 3, 8, 8), maps(1, 2, 3, 8, 8), maps(2, 2, 3, 8, 8)
    targ[0, 0] = 0
    stacked = evaluate(name, torch.cat([targ, targ]), torch.cat([first, second]))
    mean = (evaluate(name, targ, first) + evaluate(name, targ, second)) / 2
    torch.testing.assert_close(stacked, mean)


@pytest.mark.parametrize("name", HEATMAP_LOSSES)
def test_half_precision_maps_give_nearly_the_same_value(name: str) -> None:
    targ, pred = maps(0, 2, 3, 16, 16), maps(1, 2, 3, 16, 16)
    half = evaluate(name, targ, pred.bfloat16())
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(evaluate(name, targ, pred).item(), rel=0.02)


@pytest.mark.parametrize("name", ["heatmap_kl", "heatmap_js"])
def test_a_prediction_of_zero_probability_stays_finite(name: str) -> None:
    targ, pred = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    targ[..., 0, 0] = 1
    pred[..., 1, 1] = 1
    assert torch.isfinite(evaluate(name, targ, pred))
