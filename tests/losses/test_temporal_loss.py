"""The temporal loss against numpy, and what does not count in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.losses.base import LossBasis
from lightning_pose.losses.factory import build_loss
from lightning_pose.losses.temporal import temporal_loss

NAN = float("nan")


def walk(seed: int, *, frames: int = 12, keypoints: int = 3) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    steps = rng.normal(scale=15.0, size=(frames, keypoints, 2))
    return torch.as_tensor(300 + steps.cumsum(axis=0), dtype=torch.float32)


def evaluate(
    points: torch.Tensor, confidences: torch.Tensor | None = None, **settings: Any
) -> torch.Tensor:
    sure = torch.ones(points.shape[:2]) if confidences is None else confidences
    return build_loss("temporal", settings)(keypoints_pred=points, confidences=sure)


def by_numpy(points: Any, sure: Any, *, epsilon: Any = 20.0, threshold: float = 0.05) -> float:
    """Add up term by term, in plain loops."""
    terms = []
    epsilons = np.broadcast_to(epsilon, points.shape[1])
    for t in range(len(points) - 1):
        for k in range(points.shape[1]):
            if min(sure[t, k], sure[t + 1, k]) < threshold:
                continue
            (x0, y0), (x1, y1) = points[t, k], points[t + 1, k]
            terms.append(max(0.0, ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5 - epsilons[k]))
    return float(np.mean(terms)) if terms else 0.0


@pytest.mark.parametrize("epsilon", [0.0, 5.0, 20.0])
def test_value_equals_the_one_numpy_gives(epsilon: float) -> None:
    points = walk(0)
    sure = torch.rand(12, 3, generator=torch.Generator().manual_seed(0)) / 8
    expected = by_numpy(points.double().numpy(), sure.numpy(), epsilon=epsilon)
    assert evaluate(points, sure, epsilon=epsilon).item() == pytest.approx(expected, rel=1e-5)
    assert expected > 0


def test_the_defaults_are_20_pixels_and_a_confidence_of_0_05() -> None:
    points = walk(0)
    sure = torch.rand(12, 3, generator=torch.Generator().manual_seed(0)) / 8
    expected = by_numpy(points.double().numpy(), sure.numpy())
    assert evaluate(points, sure).item() == pytest.approx(expected, rel=1e-5)
    assert build_loss("temporal").log_weight == 11.0


def test_movement_up_to_epsilon_costs_nothing() -> None:
    points = torch.tensor([[[0.0, 0.0]], [[12.0, 16.0]]])
    assert evaluate(points).item() == 0
    assert evaluate(points, epsilon=19.0).item() == pytest.approx(1)


def test_each_keypoint_may_have_an_epsilon_of_its_own() -> None:
    points = walk(1)
    expected = by_numpy(points.double().numpy(), np.ones((12, 3)), epsilon=[1.0, 10.0, 30.0])
    found = evaluate(points, epsilon=[1.0, 10.0, 30.0])
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_values_of_epsilon_for_one_view_hold_for_each() -> None:
    first, second = walk(1, keypoints=2), walk(2, keypoints=2)
    loss = build_loss("temporal", {"epsilon": [1.0, 25.0]}, basis=LossBasis(num_views=2))
    both = torch.cat([first, second], dim=1)
    loss.fit(both)
    found = loss(keypoints_pred=both, confidences=torch.ones(12, 4))
    each = [evaluate(view, epsilon=[1.0, 25.0]) for view in (first, second)]
    torch.testing.assert_close(found, torch.stack(each).mean())


def test_a_wrong_number_of_epsilons_is_refused_before_training() -> None:
    loss = build_loss("temporal", {"epsilon": [1.0, 2.0]})
    with pytest.raises(ConfigError, match=r"epsilon has 2 values, but there are 3 keypoints"):
        loss.fit(torch.zeros(5, 3, 2))


@pytest.mark.parametrize("epsilon", [-1.0, NAN, [1.0, -2.0]])
def test_an_epsilon_that_is_no_distance_is_refused(epsilon: Any) -> None:
    with pytest.raises(ConfigError, match="epsilon of the loss temporal must be pixels"):
        build_loss("temporal", {"epsilon": epsilon})


@pytest.mark.parametrize("unsure_frame", [0, 1])
def test_a_pair_does_not_count_if_either_frame_is_unsure(unsure_frame: int) -> None:
    points = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[90.0, 0.0], [50.0, 0.0]]])
    sure = torch.ones(2, 2)
    sure[unsure_frame, 0] = 0.04
    assert evaluate(points, sure).item() == pytest.approx(30)


def test_an_unknown_confidence_counts_as_sure() -> None:
    points = walk(3)
    assert torch.equal(evaluate(points, torch.full((12, 3), NAN)), evaluate(points))


def test_nothing_sure_gives_zero_with_a_gradient() -> None:
    points = walk(4).requires_grad_()
    value = evaluate(points, torch.zeros(12, 3))
    value.backward()
    assert value.item() == 0
    assert points.grad is not None
    assert points.grad.abs().max() == 0


def test_a_point_that_stands_still_has_a_finite_gradient() -> None:
    points = torch.full((4, 2, 2), 7.0, requires_grad=True)
    evaluate(points, epsilon=0.0).backward()
    assert points.grad is not None
    assert points.grad.abs().max() == 0


def test_its_gradient_is_the_slope_of_its_value() -> None:
    points = walk(5).double().requires_grad_()
    sure = torch.rand(12, 3, generator=torch.Generator().manual_seed(0)).double() / 8
    epsilon = torch.tensor([0.0, 5.0, 15.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda p: temporal_loss(p, sure, epsilon=epsilon, prob_threshold=0.05), [points]
    )
