"""The unimodal losses against scipy, with the ideal map drawn by numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from lightning_pose.losses.base import LossBasis
from lightning_pose.losses.factory import build_loss
from lightning_pose.losses.unimodal import UnimodalLoss, ideal_heatmaps
from lightning_pose.ops.heatmaps import soft_argmax

HEIGHT, WIDTH = 16, 20
FORMULAE = {
    "unimodal_mse": lambda ideal, pred: ((ideal - pred) ** 2).sum(),
    "unimodal_kl": entropy,
    "unimodal_js": lambda ideal, pred: jensenshannon(ideal, pred) ** 2,
}


def gaussian(x: float, y: float, *, sigma: float = 1.25) -> np.ndarray:
    columns, rows = np.arange(WIDTH), np.arange(HEIGHT)[:, None]
    bump = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return bump / bump.sum()


def two_peaks(*, large: float = 0.7) -> np.ndarray:
    """Return a map whose second peak is far from the window around the first."""
    return large * gaussian(5.3, 6.1) + (1 - large) * gaussian(14.0, 10.0)


def batch(*heatmaps: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.stack(heatmaps), dtype=torch.float32)[:, None]


def evaluate(name: str, heatmaps: torch.Tensor, confidences: list[float]) -> torch.Tensor:
    return build_loss(name)(heatmaps_pred=heatmaps, confidences=torch.tensor(confidences)[:, None])


@pytest.mark.parametrize("name", FORMULAE)
def test_value_equals_the_one_scipy_gives(name: str) -> None:
    pred = two_peaks()
    expected = FORMULAE[name](gaussian(5.3, 6.1).ravel(), pred.ravel())
    assert evaluate(name, batch(pred), [0.9]).item() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", FORMULAE)
@pytest.mark.parametrize("place", [(5.3, 6.1), (0.0, 0.0), (18.9, 15.4)])
def test_one_peak_of_the_right_width_costs_nothing(name: str, place: tuple[float, float]) -> None:
    assert evaluate(name, batch(gaussian(*place)), [0.9]).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", FORMULAE)
def test_the_width_is_that_of_the_tracker(name: str) -> None:
    pred = batch(gaussian(9.4, 7.7, sigma=2.0))
    sure = torch.ones(1, 1)
    wide = build_loss(name, basis=LossBasis(heatmap_sigma=2.0))
    assert wide(heatmaps_pred=pred, confidences=sure).item() == pytest.approx(0, abs=1e-5)
    assert evaluate(name, pred, [1.0]).item() > 1e-3


@pytest.mark.parametrize("name", FORMULAE)
def test_the_peak_is_read_off_as_the_tracker_does(name: str) -> None:
    pred = batch(0.7 * gaussian(9.0, 8.0) + 0.3 * gaussian(12.0, 8.0))
    found = build_loss(name, basis=LossBasis(window_radius=4))(
        heatmaps_pred=pred, confidences=torch.ones(1, 1)
    )
    place = soft_argmax(pred, sigma=1.25, radius=4)[0, 0].tolist()
    expected = FORMULAE[name](gaussian(*place).ravel(), pred[0, 0].numpy().ravel())
    assert found.item() == pytest.approx(expected, rel=1e-3)
    assert found.item() != pytest.approx(evaluate(name, pred, [1.0]).item(), rel=1e-2)


@pytest.mark.parametrize("name", FORMULAE)
def test_unsure_maps_do_not_count_and_unknown_ones_do(name: str) -> None:
    first, second, third = two_peaks(), two_peaks(large=0.9), two_peaks(large=0.6)
    found = evaluate(name, batch(first, second, third), [0.05, 0.04, float("nan")])
    expected = torch.stack([evaluate(name, batch(m), [1.0]) for m in (first, third)]).mean()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", FORMULAE)
def test_nothing_sure_gives_zero_with_a_gradient(name: str) -> None:
    heatmaps = batch(two_peaks(), two_peaks()).requires_grad_()
    value = evaluate(name, heatmaps, [0.0, 0.0])
    value.backward()
    assert value.item() == 0
    assert heatmaps.grad is not None
    assert heatmaps.grad.abs().max() == 0


@pytest.mark.parametrize("name", FORMULAE)
def test_its_gradient_is_the_slope_where_the_ideal_is_held(name: str) -> None:
    heatmaps = batch(two_peaks(), gaussian(3.0, 4.0, sigma=2.0)).double() + 1e-3
    ideal = ideal_heatmaps(heatmaps, sigma=1.25)
    loss = build_loss(name)
    assert isinstance(loss, UnimodalLoss)
    assert torch.autograd.gradcheck(
        lambda pred: type(loss).compare(ideal, pred).mean(), [heatmaps.requires_grad_()]
    )
    (held,) = torch.autograd.grad(type(loss).compare(ideal, heatmaps).mean(), heatmaps)
    sure = torch.ones(2, 1, dtype=torch.float64)
    (own,) = torch.autograd.grad(loss(heatmaps_pred=heatmaps, confidences=sure), heatmaps)
    torch.testing.assert_close(own, held)


@pytest.mark.parametrize("name", FORMULAE)
def test_a_step_downhill_shrinks_the_second_peak(name: str) -> None:
    scores = batch(two_peaks()).log().requires_grad_()
    for _ in range(20):
        heatmaps = scores.flatten(2).softmax(-1).unflatten(2, (HEIGHT, WIDTH))
        value = evaluate(name, heatmaps, [1.0])
        (slope,) = torch.autograd.grad(value, scores)
        scores = (scores - 5 * slope).detach().requires_grad_()
    second = scores.flatten(2).softmax(-1).unflatten(2, (HEIGHT, WIDTH))[0, 0, 10, 14]
    assert second < two_peaks()[10, 14]
