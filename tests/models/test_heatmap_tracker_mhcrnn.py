"""The context tracker: two heads, five frames, each frame of a video seen once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from lightning_pose.contracts.batches import LabeledBatch, VideoBatch
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.models import conformance
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.heatmap_tracker_mhcrnn import HeatmapTrackerMHCRNN, more_confident

Build = Callable[..., BaseSupervisedTracker]
Spots = Callable[..., LabeledBatch]


@pytest.fixture
def tracker(spec: ModelSpec, build: Build) -> HeatmapTrackerMHCRNN:
    made = build(dataclasses.replace(spec, model_type="heatmap_mhcrnn"))
    assert isinstance(made, HeatmapTrackerMHCRNN)
    return made


def test_supervised_heatmap_mhcrnn(tracker: HeatmapTrackerMHCRNN, spots: Spots) -> None:
    batch = spots(tracker.data_spec, rows=4)
    optimizer = tracker.configure_optimizers()
    losses = []
    for _ in range(25):
        loss = tracker.train().training_step(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_both_heads_are_supervised_one_after_the_other(
    tracker: HeatmapTrackerMHCRNN, spots: Spots
) -> None:
    batch = spots(tracker.data_spec, rows=3)
    inputs = tracker.eval().get_loss_inputs_labeled(batch)
    static, context = tracker.predict_heatmaps(batch)
    assert torch.equal(inputs["heatmaps_pred"], torch.cat([static, context]))
    assert torch.equal(*inputs["heatmaps_targ"].chunk(2))
    assert torch.equal(*inputs["keypoints_targ_img"].chunk(2))
    assert not torch.allclose(static, context)


def test_every_frame_of_the_window_matters_to_the_context_head_alone(
    tracker: HeatmapTrackerMHCRNN,
) -> None:
    batch = conformance.labeled_batch(tracker.eval().data_spec, rows=1)
    with torch.inference_mode():
        static, context = tracker.predict_heatmaps(batch)
        for frame in range(5):
            images = batch.images.clone()
            images[:, :, frame] = 0
            changed = tracker.predict_heatmaps(dataclasses.replace(batch, images=images))
            assert not torch.allclose(changed[1], context, atol=1e-7, rtol=1e-3)
            assert torch.allclose(changed[0], static) == (frame != 2)


def test_both_heads_are_called_as_a_whole(tracker: HeatmapTrackerMHCRNN, spots: Spots) -> None:
    """As torch compiles what is called, and hooks hang on it."""
    called: list[str] = []
    for name, part in tracker.eval().named_children():
        part.register_forward_hook(lambda *_, name=name: called.append(name))
    with torch.inference_mode():
        tracker.predict_batch(spots(tracker.data_spec, rows=2))
    assert called == ["backbone", "static_head", "context_head"]


def test_a_video_is_predicted_as_its_windows_are_and_each_frame_is_seen_once(
    tracker: HeatmapTrackerMHCRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker.eval()
    frames = conformance.clip(tracker.data_spec, num_frames=8)
    affine = torch.eye(2, 3).expand(4, 1, 2, 3)
    video = VideoBatch(frames=frames, net_to_image=affine, frame_ids=torch.arange(2, 6), halo=2)
    windows = torch.stack([frames[i : i + 5] for i in range(4)]).movedim(1, 2)
    labeled = LabeledBatch(
        images=windows,
        keypoints_net=torch.zeros(4, 1, 2, 2),
        net_to_image=affine,
        row_ids=torch.arange(4),
    )
    seen = []
    forward = tracker.backbone.forward
    monkeypatch.setattr(tracker.backbone, "forward", lambda x: seen.append(len(x)) or forward(x))
    with torch.inference_mode():
        for one, other in zip(
            tracker.predict_batch(video), tracker.predict_batch(labeled), strict=True
        ):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
    assert seen == [8, 20]


def test_the_more_confident_head_wins_keypoint_by_keypoint() -> None:
    points = (torch.zeros(1, 3, 2), torch.ones(1, 3, 2))
    confidence = (torch.tensor([[0.9, 0.2, 0.5]]), torch.tensor([[0.1, 0.8, 0.5]]))
    best, sure = more_confident(points, confidence)
    assert best[0, :, 0].tolist() == [0, 1, 0]
    torch.testing.assert_close(sure, torch.tensor([[0.9, 0.8, 0.5]]))


def test_the_pixel_error_is_that_of_the_prediction(
    tracker: HeatmapTrackerMHCRNN, spots: Spots
) -> None:
    batch = spots(tracker.data_spec, rows=3)
    inputs = tracker.eval().get_loss_inputs_labeled(batch)
    final = tracker.final_keypoints(inputs["keypoints_pred_img"], inputs["confidences"])
    with torch.inference_mode():
        predicted, _ = tracker.predict_batch(batch)
    torch.testing.assert_close(final, predicted, atol=1e-3, rtol=1e-4)
