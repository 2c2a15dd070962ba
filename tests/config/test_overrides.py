"""Overrides: every mistake is named before Hydra composes, and all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.config.conftest import Message, Prepare


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        (
            "training.max_epoch=3",
            "training.max_epoch (override training.max_epoch=3): there is no such key; did you "
            "mean training.max_epochs?",
        ),
        (
            "max_epochs=3",
            "max_epochs (override max_epochs=3): there is no such key; did you mean "
            "training.max_epochs?",
        ),
        (
            "training.backbone=resnet18",
            "training.backbone (override training.backbone=resnet18): there is no such key; did "
            "you mean model.backbone?",
        ),
        (
            "dali.base={train: {lenght: 3}}",
            "dali.base.train.lenght (override dali.base={train: {lenght: 3}}): there is no such "
            "key; dali.base.train has sequence_length",
        ),
        (
            "model.whatever=1",
            "model.whatever (override model.whatever=1): there is no such key; model has "
            "model_type, backbone, backbone_pretrained, backbone_checkpoint, losses_to_use, "
            "heatmap_loss_type, model_name, checkpoint, resume, params",
        ),
        (
            "training.zzzzzz=1",
            "training.zzzzzz (override training.zzzzzz=1): there is no such key; "
            "docs/configuration.md lists those of training",
        ),
        ("training.max_epochs", "training.max_epochs: must be written KEY=VALUE"),
        (
            "my.yaml",
            "my.yaml: is a file; train from it with --config-path FOLDER --config-name FILE",
        ),
        (
            "data.data_dir=a(b",
            "data.data_dir=a(b: cannot be read (no viable alternative at input 'a(b'); quote the "
            "value: data.data_dir=\"'...'\"",
        ),
        (
            "data=tyo",
            "data=tyo: there is no such choice; did you mean data=toy? data has custom, "
            "mirror_mouse_example, toy, toy_cameras",
        ),
        (
            "model.backbone=efficientnet_lite0,efficientnet_lite1",
            "model.backbone (override model.backbone=efficientnet_lite0,efficientnet_lite1): has "
            "several values; add -m to train with each, or write one value: [a,b] for a list, "
            "\"'a,b'\" for text with a comma",
        ),
        (
            "~training.max_epochs",
            "~training.max_epochs: cannot be taken away; set it to null or to another value",
        ),
        (
            "training.train_batch_size=x",
            "training.train_batch_size = 'x' (override training.train_batch_size=x): must be a "
            "whole number, at least 1",
        ),
    ],
)
def test_a_mistake_is_one_readable_sentence(
    complaint: Message, override: str, wanted: str
) -> None:
    assert complaint("data=toy", override) == f"The configuration has a problem.\n  {wanted}"


def test_all_problems_are_reported_at_once(complaint: Message) -> None:
    message = complaint(
        "data=toy",
        "training.max_epoch=3",
        "training.train_prob=2",
        "model.backbone=efficientnet_light0",
        "training.optimizer_params.lr=1",
    )
    assert message.splitlines() == [
        "The configuration has 4 problems.",
        "  1. training.max_epoch (override training.max_epoch=3): there is no such key; did you "
        "mean training.max_epochs?",
        "  2. training.train_prob = 2 (override training.train_prob=2): must be a number, more "
        "than 0 and at most 1",
        "  3. model.backbone = 'efficientnet_light0' (override "
        "model.backbone=efficientnet_light0): there is no such backbone; did you mean "
        "efficientnet_lite0? known: efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, "
        "resnet50_animal_ap10k, vits_dino",
        "  4. training.optimizer_params.lr = 1 (override training.optimizer_params.lr=1): there "
        "is no such key; training.optimizer_params has learning_rate",
    ]


def test_an_unknown_option_is_a_usage_error(complaint: Message) -> None:
    message = complaint("data=toy", "--debgu")
    assert message.startswith("Unrecognized arguments: --debgu.")


@pytest.mark.parametrize("plus", ["", "+", "++"])
@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("model.backbone_pretrained=false", ("model", "backbone_pretrained", False)),
        ("training.optimizer_params.learning_rate=0.1", ("training", "optimizer_params", None)),
    ],
)
def test_a_plus_before_a_key_does_not_matter(
    built: Callable[..., Any], plus: str, override: str, wanted: tuple[str, str, Any]
) -> None:
    section, name, value = wanted
    got = getattr(getattr(built("data=toy", plus + override), section), name)
    assert got == ({"learning_rate": 0.1} if value is None else value)


def test_a_mapping_can_be_given_as_one_override(built: Callable[..., Any]) -> None:
    config = built(
        "data=toy",
        "training.optimizer_params={learning_rate: 1e-2}",
        "training.imgaug={Rotate: {p: 0.5}}",
    )
    assert config.training.optimizer_params == {"learning_rate": 0.01}
    assert config.training.imgaug == {"Rotate": {"p": 0.5}}


def test_options_may_stand_between_overrides(prepared: Prepare) -> None:
    app = prepared("data=toy", "-m", "training.max_epochs=3,4")
    assert app.multirun
    assert app.given == ("data=toy", "training.max_epochs=3,4")


def test_old_keys_in_overrides_are_translated_with_a_note(
    prepared: Prepare, built: Callable[..., Any]
) -> None:
    argv = (
        "data=toy",
        "model.do_context=true",
        "training.gpu_id=1",
        "training.lr_scheduler_params.multisteplr.milestones=[7,9]",
        "model.losses_to_use=temporal",
        "training.max_epochs=100",
    )
    assert prepared(*argv).notes == (
        "model.do_context: true is now model.model_type: heatmap_mhcrnn.",
        "training.gpu_id is left out: choose a GPU with the variable CUDA_VISIBLE_DEVICES.",
        "training.lr_scheduler_params.multisteplr.* is now training.lr_scheduler_params.*.",
    )
    config = built(*argv)
    assert config.model.model_type == "heatmap_mhcrnn"
    assert config.model.losses_to_use == ["temporal"]
    assert config.training.lr_scheduler_params["milestones"] == [7, 9]


def test_the_toy_set_is_the_data_when_none_is_chosen(prepared: Prepare, toy: Any) -> None:
    assert prepared().notes == ("No data set was chosen: this is data=toy, the generated one.",)


def test_data_of_ones_own_is_not_mixed_with_the_toy_set(
    built: Callable[..., Any], data_set: Any
) -> None:
    data = built(f"data.data_dir={data_set}").data
    assert (data.data_dir, data.generator, data.keypoint_names) == (str(data_set), None, None)


def test_a_reference_to_another_key_is_resolved(built: Callable[..., Any]) -> None:
    config = built("data=toy", "training.val_batch_size=${training.train_batch_size}")
    assert config.training.val_batch_size == 16


def test_a_reference_that_leads_nowhere_is_an_error(complaint: Message) -> None:
    message = complaint("data=toy", "training.val_batch_size=${training.batch}")
    assert message.startswith("A value is missing, or refers to another that is not there.")
    assert "training.batch" in message
    assert "training.val_batch_size" in message


def test_a_change_of_the_image_size_keeps_the_toy_set(built: Callable[..., Any], toy: Any) -> None:
    data = built("data.image_resize_dims.height=64").data
    assert (data.data_dir, data.image_resize_dims.height) == (str(toy), 64)
