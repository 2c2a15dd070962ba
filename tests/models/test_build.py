"""Trackers from recipes and checkpoints; what a checkpoint that does not fit is told."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lightning_pose.contracts.batches import LabeledBatch
from lightning_pose.contracts.errors import ConfigError, ModelError, WriteError
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import (
    build_tracker,
    load_tracker,
    network_weights,
    save_weights,
    start_from,
)

Build = Callable[..., BaseSupervisedTracker]
Spots = Callable[..., LabeledBatch]


@pytest.fixture
def checkpoint(spec: ModelSpec, build: Build, tmp_path: Path) -> Path:
    return save_weights(build(spec), tmp_path / "run" / "best.ckpt")


def rewrite(checkpoint: Path, **changes: object) -> Path:
    """Change entries of a checkpoint; None removes one."""
    content = torch.load(checkpoint, weights_only=True) | changes
    torch.save({key: value for key, value in content.items() if value is not None}, checkpoint)
    return checkpoint


def test_a_checkpoint_holds_weights_and_recipe_and_nothing_that_runs(
    spec: ModelSpec, build: Build, tmp_path: Path
) -> None:
    path = save_weights(build(spec), tmp_path / "a.ckpt", extra={"pca": {"mean": torch.zeros(2)}})
    content = torch.load(path, weights_only=True)
    assert set(content) == {"state_dict", "litpose", "pca"}
    assert ModelSpec.from_json(content["litpose"]) == spec
    assert all(value.device.type == "cpu" for value in content["state_dict"].values())


def test_weights_of_losses_stay_out_and_are_ignored_on_loading(
    spec: ModelSpec, build: Build, tmp_path: Path
) -> None:
    tracker = build(spec)
    tracker.losses.register_buffer("fitted", torch.zeros(3))
    assert "losses.fitted" in tracker.state_dict()
    assert not any(key.startswith("losses.") for key in network_weights(tracker))
    whole = tmp_path / "last.ckpt"
    torch.save({"state_dict": tracker.state_dict(), "litpose": spec.to_json()}, whole)
    loaded = load_tracker(whole)
    for key, value in network_weights(tracker).items():
        assert torch.equal(loaded.state_dict()[key], value)


def test_a_loaded_tracker_predicts_but_does_not_train(checkpoint: Path, spots: Spots) -> None:
    tracker = load_tracker(checkpoint)
    assert not tracker.training
    batch = spots(tracker.data_spec)
    tracker.predict_step(batch)
    with pytest.raises(ModelError, match="built without losses"):
        tracker.training_step(batch)
    with pytest.raises(ModelError, match="built without an optimizer"):
        tracker.configure_optimizers()


def test_loading_downloads_nothing_whatever_the_backbone(
    spec: ModelSpec, build: Build, tmp_path: Path
) -> None:
    named = dataclasses.replace(spec, backbone="resnet18")
    path = save_weights(build(named), tmp_path / "a.ckpt")
    assert load_tracker(path).spec.backbone == "resnet18"


@pytest.mark.parametrize("missing", ["litpose", "state_dict"])
def test_a_checkpoint_of_another_program_is_refused(checkpoint: Path, missing: str) -> None:
    rewrite(checkpoint, **{missing: None})
    with pytest.raises(ModelError, match=rf"best\.ckpt is not a checkpoint.*no entry '{missing}'"):
        load_tracker(checkpoint)


def test_a_recipe_that_is_not_readable_is_refused(checkpoint: Path) -> None:
    rewrite(checkpoint, litpose='{"model_type": "heatmap"')
    with pytest.raises(ModelError, match="model description in the checkpoint is not readable"):
        load_tracker(checkpoint)


def test_a_file_cut_short_is_refused(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-5000])
    with pytest.raises(ModelError, match=r"best\.ckpt cannot be read"):
        load_tracker(checkpoint)


def test_weights_that_do_not_fit_the_recipe_are_named(checkpoint: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    del state["head.upsample.layers.0.bias"]
    rewrite(checkpoint, state_dict=state)
    with pytest.raises(ModelError, match=r"'heatmap' with backbone.*lacks head\.upsample"):
        load_tracker(checkpoint)


def test_a_tracker_from_a_plugin_that_is_not_loaded_is_named(
    checkpoint: Path, spec: ModelSpec
) -> None:
    rewrite(checkpoint, litpose=dataclasses.replace(spec, model_type="theirs").to_json())
    with pytest.raises(ConfigError, match="no tracker named 'theirs'"):
        load_tracker(checkpoint)


def test_training_starts_from_a_trained_tracker(
    checkpoint: Path, spec: ModelSpec, build: Build
) -> None:
    larger = dataclasses.replace(spec, image_width=128, keypoint_names=("rouge", "bleu"))
    tracker = build_tracker(larger)
    start_from(tracker, checkpoint)
    for key, value in network_weights(build(spec)).items():
        assert torch.equal(tracker.state_dict()[key], value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model_type": "regression"}, r"model\.model_type is heatmap there and regression here"),
        ({"backbone": "resnet18"}, r"model\.backbone is efficientnet_lite0 there and resnet18"),
        (
            {"keypoint_names": ("red", "blue", "green")},
            r"number of keypoints is 2 there and 3 here\. Only one of them has green",
        ),
        ({"downsample_factor": 1}, r"data\.downsample_factor is 2 there and 1 here"),
        ({"params": {"hidden_channels": 8}}, r"does not fit the tracker 'heatmap'"),
    ],
)
def test_training_does_not_start_from_another_architecture(
    change: dict[str, object], expected: str, checkpoint: Path, spec: ModelSpec
) -> None:
    tracker = build_tracker(dataclasses.replace(spec, **change))
    with pytest.raises(ModelError, match=expected):
        start_from(tracker, checkpoint)


def test_the_backbone_of_a_trained_tracker_can_be_reused(
    checkpoint: Path, spec: ModelSpec, build: Build
) -> None:
    tracker = build_tracker(
        dataclasses.replace(spec, model_type="regression"), backbone_checkpoint=checkpoint
    )
    for key, value in build(spec).backbone.state_dict().items():
        assert torch.equal(tracker.backbone.state_dict()[key], value)


@pytest.mark.parametrize(("side", "size"), [("height", 100), ("width", 8)])
def test_an_image_size_the_backbone_cannot_take_is_answered_with_ones_it_can(
    side: str, size: int, spec: ModelSpec
) -> None:
    with pytest.raises(ModelError, match=rf"{side} is {size}; .* multiple of 16, \d+ or \d+"):
        build_tracker(dataclasses.replace(spec, **{f"image_{side}": size}))


def test_a_feature_map_too_fine_for_the_factor_is_refused(spec: ModelSpec) -> None:
    with pytest.raises(ModelError, match=r"stride 16 cannot give heatmaps 16 times smaller"):
        build_tracker(dataclasses.replace(spec, downsample_factor=4))


def test_a_checkpoint_that_cannot_be_written_leaves_nothing(
    spec: ModelSpec, build: Build, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="was not written"):
        save_weights(build(spec), tmp_path / "file" / "best.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_named_and_the_old_checkpoint_stays(
    spec: ModelSpec, build: Build, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: object) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    before = checkpoint.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteError, match="disk is full"):
        save_weights(build(spec), checkpoint)
    assert checkpoint.read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir()] == ["best.ckpt"]
