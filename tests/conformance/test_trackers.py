"""What every registered tracker must do; a new one is tested here by being registered."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
import torch

from lightning_pose.contracts.loss_inputs import LabeledLossInputs, LossSum
from lightning_pose.contracts.registry import TRACKERS
from lightning_pose.losses.factory import build_losses
from lightning_pose.models import conformance

NAMES = TRACKERS.names()

pytestmark = pytest.mark.parametrize("name", NAMES)


def losses(name: str) -> LossSum:
    return build_losses([name], {})


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_step_lowers_the_loss(name: str, factor: int) -> None:
    conformance.check_loss_falls(name, losses=losses, factor=factor)


def test_images_need_not_be_square(name: str) -> None:
    conformance.check_loss_falls(name, losses=losses, image_hw=(64, 128))


def test_missing_labels_never_give_nan(name: str) -> None:
    conformance.check_missing_labels(name, losses=losses)


def test_each_frame_of_a_clip_is_predicted_once_also_of_a_short_one(name: str) -> None:
    conformance.check_frames_once(name)


def test_it_predicts_the_same_after_saving_and_loading(name: str) -> None:
    conformance.check_save_and_load(name)


def test_a_halo_wider_than_needed_changes_nothing(name: str) -> None:
    tracker = conformance.small_tracker(name).eval()
    frames = conformance.clip(tracker.data_spec, num_frames=6)
    exact, wide = (
        next(conformance.video_batches(frames, halo=halo, batch_length=6))
        for halo in (tracker.data_spec.halo, tracker.data_spec.halo + 3)
    )
    with torch.inference_mode():
        for one, other in zip(
            tracker.predict_batch(exact), tracker.predict_batch(wide), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-3, equal_nan=True)


def test_it_fills_the_loss_inputs_it_states(name: str) -> None:
    tracker = conformance.small_tracker(name).eval()
    inputs = tracker.get_loss_inputs_labeled(conformance.labeled_batch(tracker.data_spec))
    assert set(inputs) == set(tracker.loss_inputs)
    assert set(inputs) <= set(LabeledLossInputs.__annotations__)


def test_its_loss_takes_only_inputs_it_offers(name: str) -> None:
    tracker = TRACKERS.get(name)
    needed = build_losses([tracker.supervised_loss()], {}).needs
    assert needed <= set(tracker.loss_inputs)


def test_predictions_are_in_pixels_of_the_original_image(name: str) -> None:
    tracker = conformance.small_tracker(name).eval()
    batch = conformance.labeled_batch(tracker.data_spec)
    shift = torch.tensor([[1.0, 0.0, 30.0], [0.0, 1.0, -7.0]])
    moved = dataclasses.replace(batch, net_to_image=shift.expand(4, 1, 2, 3))
    with torch.inference_mode():
        twice, _ = tracker.predict_batch(batch)
        plus, _ = tracker.predict_batch(moved)
    torch.testing.assert_close(plus, twice / 2 + torch.tensor([30.0, -7.0]))


def test_a_frozen_backbone_stays_as_it_is_and_the_head_learns(name: str) -> None:
    tracker = conformance.small_tracker(name, losses=losses).train()
    tracker.freeze_backbone()
    tracker.train()
    before = {key: value.clone() for key, value in tracker.state_dict().items()}
    optimizer = torch.optim.Adam(tracker.parameter_groups(), lr=1e-3)
    tracker.training_step(conformance.labeled_batch(tracker.data_spec)).backward()
    optimizer.step()
    after = tracker.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert not any(key.startswith("backbone.") for key in changed)
    assert all(p.grad is None for p in tracker.backbone.parameters())
    tracker.unfreeze_backbone()
    assert tracker.backbone.training
    assert all(p.requires_grad for p in tracker.backbone.parameters())


def test_every_parameter_is_in_one_optimiser_group(name: str) -> None:
    tracker = conformance.small_tracker(name)
    head, backbone = tracker.parameter_groups()
    assert (head["name"], backbone["name"]) == ("head", "backbone")
    grouped = [id(p) for group in (head, backbone) for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in tracker.parameters())


def test_its_settings_have_defaults_and_explain_themselves(name: str) -> None:
    entry = TRACKERS.entry(name)
    assert dataclasses.is_dataclass(entry.params)
    entry.params()
    assert entry.summary.endswith(".")
    assert inspect.getdoc(entry.value)
