"""The heatmap tracker: it learns, reads its targets off the labels, and says how sure it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from lightning_pose.contracts.batches import LabeledBatch
from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import build_tracker
from lightning_pose.ops.heatmaps import render_heatmaps

Build = Callable[..., BaseSupervisedTracker]
Spots = Callable[..., LabeledBatch]


def fit(tracker: BaseSupervisedTracker, batch: LabeledBatch, *, steps: int) -> list[float]:
    """Train on one batch; return the losses."""
    optimizer = tracker.configure_optimizers()
    tracker.train()
    losses = []
    for _ in range(steps):
        loss = tracker.training_step(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def errors_img(tracker: BaseSupervisedTracker, batch: LabeledBatch) -> torch.Tensor:
    """Return how far predictions are off, in image pixels (two to a network pixel)."""
    with torch.inference_mode():
        found, _ = tracker.eval().predict_batch(batch)
    return (found - 2 * batch.keypoints_net.flatten(1, 2)).norm(dim=-1)


def test_supervised_heatmap(spec: ModelSpec, build: Build, spots: Spots) -> None:
    tracker = build(spec, pretrained=True)
    batch = spots(tracker.data_spec)
    losses = fit(tracker, batch, steps=40)
    assert losses[-1] < 0.25 * losses[0]
    assert errors_img(tracker, batch).median() < 2.0
    other = spots(tracker.data_spec, seed=1)
    assert errors_img(tracker, other).median() < 8.0


def test_confidence_falls_where_nothing_is_to_be_seen(
    spec: ModelSpec, build: Build, spots: Spots
) -> None:
    tracker = build(spec, pretrained=True)
    batch = spots(tracker.data_spec)
    fit(tracker, batch, steps=40)
    empty = dataclasses.replace(batch, images=torch.full_like(batch.images, -0.5))
    with torch.inference_mode():
        seen, unseen = (tracker.eval().predict_batch(b)[1] for b in (batch, empty))
    assert seen.median() > unseen.median() + 0.2
    assert seen.min() >= 0
    assert seen.max() <= 1


@pytest.mark.parametrize("uniform", [True, False])
def test_targets_are_the_maps_of_the_labels(
    uniform: bool, spec: ModelSpec, build: Build, spots: Spots
) -> None:
    params = {"sigma": 1.5, "uniform_heatmaps_for_nan_keypoints": uniform}
    tracker = build(dataclasses.replace(spec, params=params))
    batch = spots(tracker.data_spec)
    batch.keypoints_net[0, 0, 1] = torch.nan
    inputs = tracker.eval().get_loss_inputs_labeled(batch)
    expected = render_heatmaps(
        batch.keypoints_net[:, 0],
        net_hw=(64, 64),
        factor=2,
        sigma=1.5,
        uniform_for_missing=uniform,
    )
    assert torch.equal(inputs["heatmaps_targ"], expected)
    torch.testing.assert_close(inputs["heatmaps_pred"].sum((-2, -1)), torch.ones(8, 2))


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("backbone", ["resnet18", "vits_dino"])
def test_heatmaps_have_the_stated_size(factor: int, backbone: str, spec: ModelSpec) -> None:
    small = dataclasses.replace(spec, backbone=backbone, downsample_factor=factor, image_width=96)
    tracker = build_tracker(small).eval()
    with torch.inference_mode():
        maps = tracker.head(tracker.extract(torch.zeros(1, 3, 64, 96)))
    assert maps.shape == (1, 2, 64 >> factor, 96 >> factor)


def test_the_confidence_power_is_applied(spec: ModelSpec, build: Build, spots: Spots) -> None:
    plain, generous = (
        build(dataclasses.replace(spec, params={"confidence_power": power})).eval()
        for power in (1.0, 0.5)
    )
    batch = spots(plain.data_spec)
    with torch.inference_mode():
        torch.testing.assert_close(
            plain.predict_batch(batch)[1].sqrt(), generous.predict_batch(batch)[1]
        )


def test_coordinates_are_left_out_in_training_when_no_loss_asks_for_them(
    spec: ModelSpec, build: Build, spots: Spots
) -> None:
    tracker = build(spec)
    batch = spots(tracker.data_spec)
    assert set(tracker.train().get_loss_inputs_labeled(batch)) == {
        "heatmaps_targ",
        "heatmaps_pred",
    }
    assert "keypoints_pred_img" in tracker.eval().get_loss_inputs_labeled(batch)


def test_bfloat16_training_keeps_scores_and_loss_in_32_bits(
    spec: ModelSpec, build: Build, spots: Spots
) -> None:
    tracker = build(spec).train()
    batch = spots(tracker.data_spec)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = tracker.training_step(batch)
        assert tracker.extract(batch.images).dtype == torch.bfloat16
        assert tracker.predict_heatmaps(batch).dtype == torch.float32
    assert loss.dtype == torch.float32


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"sigam": 1.0}, r"no setting 'sigam'.*Did you mean 'sigma'"),
        ({"colour": 1.0}, r"no setting 'colour'; it has sigma"),
    ],
)
def test_an_unknown_setting_is_named(
    params: dict[str, float], expected: str, spec: ModelSpec
) -> None:
    with pytest.raises(ModelError, match=expected):
        build_tracker(dataclasses.replace(spec, params=params))
