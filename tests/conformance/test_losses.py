"""What every registered loss must do; a new loss is tested here by being registered."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
import torch

from lightning_pose.contracts.loss_inputs import LabeledLossInputs, UnlabeledLossInputs
from lightning_pose.contracts.registry import LOSSES
from lightning_pose.losses.base import Loss, LossBasis
from lightning_pose.losses.factory import LossFactory, build_loss

NAMES = LOSSES.names()
KNOWN_KEYS = set(LabeledLossInputs.__annotations__) | set(UnlabeledLossInputs.__annotations__)
FRAMES, KEYPOINTS, SIZE = 5, 4, 12
BASIS = LossBasis(matched_columns=[[0, 1], [2, 3]])


def build(name: str) -> Loss:
    """Return the loss; one that forgives small errors forgives none."""
    params = LOSSES.entry(name).params
    strict = {"epsilon": 0.0} if "epsilon" in {f.name for f in dataclasses.fields(params)} else {}
    return build_loss(name, strict, basis=BASIS)


def poses(number: int, *, seed: int) -> torch.Tensor:
    """Draw poses of two points in two views that share the x axis, as a mirror gives them."""
    points = 3 + 5 * torch.rand(
        number, KEYPOINTS, 2, generator=torch.Generator().manual_seed(seed)
    )
    points[:, 2:, 0] = points[:, :2, 0]
    return points


def heatmaps(points: torch.Tensor) -> torch.Tensor:
    """Draw a Gaussian of sigma 1.25 and sum 1 at each point."""
    pixels = torch.arange(SIZE, dtype=points.dtype)
    distance = (pixels - points[..., :1, None]) ** 2 + (
        pixels[:, None] - points[..., 1:, None]
    ) ** 2
    return (-distance / (2 * 1.25**2)).flatten(2).softmax(-1).unflatten(2, (SIZE, SIZE))


def perfect_inputs(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return every tensor a loss may ask for: predictions equal targets, and nothing moves."""
    points = poses(1, seed=0).to(dtype).expand(FRAMES, -1, -1).clone()
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
    """Return inputs whose predictions are off, differently in each frame, with two peaks a map."""
    inputs = perfect_inputs(dtype)
    noise = torch.randn(FRAMES, KEYPOINTS, 2, generator=torch.Generator().manual_seed(1)).to(dtype)
    moved = inputs["keypoints_targ"] + 1.5 * noise
    return {
        **inputs,
        "heatmaps_pred": 0.7 * heatmaps(moved) + 0.3 * heatmaps(moved.flip(1)),
        "keypoints_pred": moved,
        "keypoints_pred_img": moved,
    }


def fitted(name: str) -> Loss:
    """Return the loss after it has learnt from poses that vary and, once, lack a label."""
    loss = build(name)
    labels = poses(64, seed=2)
    labels[0, 0] = float("nan")
    loss.fit(labels)
    return loss


def evaluate(loss: Loss, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return loss(**{key: inputs[key] for key in loss.needs})


def predicted(loss: Loss) -> list[str]:
    return [key for key in loss.needs if "_pred" in key]


@pytest.mark.parametrize("name", NAMES)
def test_it_asks_only_for_tensors_that_trackers_may_offer(name: str) -> None:
    assert set(build(name).needs) <= KNOWN_KEYS


@pytest.mark.parametrize("name", NAMES)
def test_its_settings_are_a_dataclass_with_defaults_that_work(name: str) -> None:
    params = LOSSES.entry(name).params
    assert dataclasses.is_dataclass(params)
    assert build(name).weight > 0


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
    assert evaluate(loss, poor_inputs(torch.float32)) > perfect + 1e-3


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
    if not loss.gradient_is_slope:
        pytest.skip("compares with something that follows the predictions without a gradient")
    inputs = poor_inputs(torch.float64)
    flat = torch.full_like(inputs["heatmaps_pred"], 1 / SIZE**2)  # away from 0, where logs end
    inputs["heatmaps_pred"] = (inputs["heatmaps_pred"] + flat) / 2
    keys = predicted(loss)

    def value(*pred: torch.Tensor) -> torch.Tensor:
        return evaluate(loss, {**inputs, **dict(zip(keys, pred, strict=True))})

    assert torch.autograd.gradcheck(value, [inputs[key].clone().requires_grad_() for key in keys])


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_confidence_counts_as_a_sure_one(name: str) -> None:
    loss = fitted(name)
    inputs = poor_inputs(torch.float32)
    unknown = {**inputs, "confidences": torch.full((FRAMES, KEYPOINTS), float("nan"))}
    torch.testing.assert_close(evaluate(loss, unknown), evaluate(loss, inputs))


@pytest.mark.parametrize("name", NAMES)
def test_a_single_frame_is_no_trouble(name: str) -> None:
    loss = fitted(name)
    inputs = poor_inputs(torch.float32)
    one = {key: value if key == "net_size" else value[:1] for key, value in inputs.items()}
    for key in predicted(loss):
        one[key].requires_grad_()
    value = evaluate(loss, one)
    value.backward()
    assert torch.isfinite(value)
    assert all(torch.isfinite(one[key].grad).all() for key in predicted(loss))


@pytest.mark.parametrize("name", NAMES)
def test_autocast_around_it_changes_nothing(name: str) -> None:
    loss = fitted(name)
    inputs = poor_inputs(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = evaluate(loss, inputs)
    assert found.dtype == torch.float32
    assert torch.equal(found, evaluate(loss, inputs))


@pytest.mark.parametrize("name", NAMES)
def test_what_it_learnt_is_saved_and_loaded_into_a_new_one(name: str) -> None:
    saved = LossFactory({name: fitted(name)}).state_dict()
    new = LossFactory({name: build(name)})
    new.load_state_dict(saved, strict=True)
    inputs = poor_inputs(torch.float32)
    assert torch.equal(evaluate(new.losses[name], inputs), evaluate(fitted(name), inputs))


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_on_a_gpu_it_gives_the_same_without_waiting_for_it(name: str) -> None:
    loss = fitted(name)
    inputs = poor_inputs(torch.float32)
    expected = evaluate(loss, inputs)
    on_gpu = {key: value.cuda() for key, value in inputs.items()}
    keys = predicted(loss)
    for key in keys:
        on_gpu[key].requires_grad_()
    loss = loss.cuda()
    torch.use_deterministic_algorithms(True)  # raises where an order of sums is not fixed
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = evaluate(loss, on_gpu)
        gradients = torch.autograd.grad(found, [on_gpu[key] for key in keys])
    finally:
        torch.cuda.set_sync_debug_mode("default")
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
