"""What every registered loss must do; a new loss is tested here by being registered."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
import torch

from lightning_pose.contracts.loss_inputs import LabeledLossInputs, UnlabeledLossInputs
from lightning_pose.contracts.registry import LOSSES
from lightning_pose.losses.base import Loss
from lightning_pose.losses.factory import build_loss

NAMES = LOSSES.names()
KNOWN_KEYS = set(LabeledLossInputs.__annotations__) | set(UnlabeledLossInputs.__annotations__)
FRAMES, KEYPOINTS, SIZE = 5, 4, 12


def heatmaps(points: torch.Tensor) -> torch.Tensor:
    """Draw a Gaussian of sigma 1.25 and sum 1 at each point."""
    pixels = torch.arange(SIZE, dtype=points.dtype)
    distance = (pixels - points[..., :1, None]) ** 2 + (
        pixels[:, None] - points[..., 1:, None]
    ) ** 2
    return (-distance / (2 * 1.25**2)).flatten(2).softmax(-1).unflatten(2, (SIZE, SIZE))


def perfect_inputs(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return every tensor a loss may ask for: predictions equal targets, and nothing moves."""
    pose = 3 + 5 * torch.rand(1, KEYPOINTS, 2, generator=torch.Generator().manual_seed(0))
    points = pose.to(dtype).expand(FRAMES, -1, -1).clone()
    return {
        "heatmaps_targ": heatmaps(points),
        "heatmaps_pred": heatmaps(points),
        "keypoints_targ": points.clone(),
        "keypoints_pred": points.clone(),
        "keypoints_targ_img": points.clone(),
        "keypoints_pred_img": points.clone(),
        "confidences": torch.full((FRAMES, KEYPOINTS), 0.99, dtype=dtype),
        "net_size": torch.full((2,), float(SIZE), dtype=dtype),
    }


def poor_inputs(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return inputs whose predictions are off, differently in each frame."""
    inputs = perfect_inputs(dtype)
    noise = torch.randn(FRAMES, KEYPOINTS, 2, generator=torch.Generator().manual_seed(1)).to(dtype)
    moved = inputs["keypoints_targ"] + 1.5 * noise
    return {
        **inputs,
        "heatmaps_pred": heatmaps(moved),
        "keypoints_pred": moved,
        "keypoints_pred_img": moved,
    }


def fitted(name: str) -> Loss:
    """Return the loss after it has learnt from poses that vary and, once, lack a label."""
    loss = build_loss(name)
    poses = 3 + 5 * torch.rand(64, KEYPOINTS, 2, generator=torch.Generator().manual_seed(2))
    poses[0, 0] = float("nan")
    loss.fit(poses)
    return loss


def evaluate(loss: Loss, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return loss(**{key: inputs[key] for key in loss.needs})


def predicted(loss: Loss) -> list[str]:
    return [key for key in loss.needs if "_pred" in key]


@pytest.mark.parametrize("name", NAMES)
def test_it_asks_only_for_tensors_that_trackers_may_offer(name: str) -> None:
    assert set(build_loss(name).needs) <= KNOWN_KEYS


@pytest.mark.parametrize("name", NAMES)
def test_its_settings_are_a_dataclass_with_defaults_that_work(name: str) -> None:
    params = LOSSES.entry(name).params
    assert dataclasses.is_dataclass(params)
    assert build_loss(name).weight > 0


@pytest.mark.parametrize("name", NAMES)
def test_it_says_in_one_line_what_it_is(name: str) -> None:
    summary = LOSSES.entry(name).summary
    assert summary.endswith(".")
    assert inspect.getdoc(LOSSES.get(name))


@pytest.mark.parametrize("name", NAMES)
def test_perfect_input_costs_next_to_nothing_and_poor_input_more(name: str) -> None:
    loss = fitted(name)
    perfect = evaluate(loss, perfect_inputs(torch.float32))
    assert perfect.shape == ()
    assert perfect.item() == pytest.approx(0, abs=1e-4)
    assert evaluate(loss, poor_inputs(torch.float32)) >= perfect


@pytest.mark.parametrize("name", NAMES)
def test_it_stays_finite_where_labels_are_missing(name: str) -> None:
    loss = fitted(name)
    inputs = poor_inputs(torch.float32)
    inputs["heatmaps_targ"][0, 0] = 0
    for key in ("keypoints_targ", "keypoints_targ_img"):
        inputs[key][0, 0] = float("nan")
    assert torch.isfinite(evaluate(loss, inputs))


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_any_label_gives_zero_with_a_gradient(name: str) -> None:
    loss = fitted(name)
    if not any("_targ" in key for key in loss.needs):
        pytest.skip("needs no labels")
    inputs = poor_inputs(torch.float32)
    inputs["heatmaps_targ"].zero_()
    for key in ("keypoints_targ", "keypoints_targ_img"):
        inputs[key].fill_(float("nan"))
    for key in predicted(loss):
        inputs[key].requires_grad_()
    value = evaluate(loss, inputs)
    value.backward()
    assert value.item() == 0
    assert all(torch.isfinite(inputs[key].grad).all() for key in predicted(loss))


@pytest.mark.parametrize("name", NAMES)
def test_its_gradient_is_the_slope_of_its_value(name: str) -> None:
    loss = fitted(name).double()
    inputs = poor_inputs(torch.float64)
    flat = torch.full_like(inputs["heatmaps_pred"], 1 / SIZE**2)  # away from 0, where logs end
    inputs["heatmaps_pred"] = (inputs["heatmaps_pred"] + flat) / 2
    keys = predicted(loss)

    def value(*pred: torch.Tensor) -> torch.Tensor:
        return evaluate(loss, {**inputs, **dict(zip(keys, pred, strict=True))})

    assert torch.autograd.gradcheck(value, [inputs[key].clone().requires_grad_() for key in keys])
