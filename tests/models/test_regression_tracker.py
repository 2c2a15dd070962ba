"""The regression tracker: it learns coordinates and does not pretend to know how sure it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch

from lightning_pose.contracts.batches import LabeledBatch
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.models.base import BaseSupervisedTracker

Build = Callable[..., BaseSupervisedTracker]
Spots = Callable[..., LabeledBatch]


def test_supervised_regression(spec: ModelSpec, build: Build, spots: Spots) -> None:
    tracker = build(dataclasses.replace(spec, model_type="regression"), pretrained=True).train()
    batch = spots(tracker.data_spec)
    optimizer = tracker.configure_optimizers()
    losses = []
    for _ in range(40):
        loss = tracker.training_step(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_confidence_is_unknown(spec: ModelSpec, build: Build, spots: Spots) -> None:
    tracker = build(dataclasses.replace(spec, model_type="regression")).eval()
    prediction = tracker.predict_step(spots(tracker.data_spec))
    assert torch.from_numpy(prediction.confidence).isnan().all()
    assert torch.from_numpy(prediction.xy_img).isfinite().all()


def test_an_untrained_tracker_answers_about_the_centre_of_the_picture(
    spec: ModelSpec, build: Build, spots: Spots
) -> None:
    wide = dataclasses.replace(spec, model_type="regression", image_width=128)
    tracker = build(wide).eval()
    with torch.inference_mode():
        points = tracker.predict_keypoints(spots(tracker.data_spec))
    assert (points - torch.tensor([63.5, 31.5])).abs().max() < 16
