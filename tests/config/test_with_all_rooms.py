"""The commands that users are shown, checked against what is really registered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightning_pose.config.registered import settings_of
from lightning_pose.config.schema import Config
from lightning_pose.contracts.registry import BACKBONES
from tests.config.conftest import FILES, Message, Prepare, make_data_set

pytestmark = pytest.mark.usefixtures("real_rooms")


def test_the_example_recordings_train_as_shown(
    example_data: Path, built: Callable[..., Any]
) -> None:
    config = built(
        "data=mirror_mouse_example",
        f"data.data_dir={example_data}/mirror-mouse-example",
        "model.backbone=efficientnet_lite0",
        "training.max_epochs=60",
    )
    training = config.training
    assert (training.min_epochs, training.unfreezing_epoch) == (60, 4)
    assert training.lr_scheduler_params["milestones"] == [30, 40, 50]
    assert training.optimizer_params["learning_rate"] == 1e-3


def test_the_three_splits_train_as_shown(example_data: Path, built: Callable[..., Any]) -> None:
    folder = example_data / "mirror-mouse-example"
    split = folder / "splits" / "mirror-mouse_seed42.csv"
    overrides = (
        f"data.data_dir={folder}",
        "training.split_by=file",
        f"training.split_file={split}",
    )
    assert built("data=mirror_mouse_example", *overrides).training.split_file == str(split)


@pytest.mark.parametrize("layout", ["predecessor_2023", "predecessor_2026"])
def test_a_predecessors_file_trains_unchanged(
    tmp_path: Path, prepared: Prepare, layout: str
) -> None:
    make_data_set(tmp_path / "mirror-mouse-example")
    assert prepared("--config-path", str(FILES), "--config-name", layout).notes


@pytest.mark.parametrize("model", ["heatmap", "regression", "heatmap_mhcrnn"])
def test_every_model_of_the_groups_is_registered(built: Callable[..., Any], model: str) -> None:
    assert built("data=toy", f"model={model}").model.model_type == model


def test_the_documented_commands_of_the_predecessor_are_understood(
    prepared: Prepare, built: Callable[..., Any]
) -> None:
    argv = ("data=toy", "model.model_type=heatmap_mhcrnn", "model.do_context=True")
    assert prepared(*argv).notes == ("model.do_context is left out: model.model_type says it.",)
    assert built("data=toy", "training.max_epochs=11").training.min_epochs == 11


def test_every_default_that_is_a_name_is_registered() -> None:
    for setting in settings_of(Config()):
        if setting.rule.registry is not None and isinstance(setting.value, str):
            assert f"{setting.rule.prefix}{setting.value}" in setting.rule.registry


def test_a_wrong_name_lists_what_is_registered(complaint: Message) -> None:
    message = complaint("data=toy", "model.backbone=resnet-50", "model.heatmap_loss_type=mae")
    assert "did you mean resnet50?" in message
    assert "known: js, kl, mse" in message


@pytest.mark.parametrize("backbone", ["vits_dino", "efficientnet_lite0"])
def test_sizes_are_multiples_of_what_the_network_itself_says(
    built: Callable[..., Any], complaint: Message, backbone: str
) -> None:
    stride = BACKBONES.get(backbone)(pretrained=False).stride
    argv = ("data=toy", f"model.backbone={backbone}")
    height = 4 * 32 + stride
    dims = built(*argv, f"data.image_resize_dims.height={height}").data.image_resize_dims
    assert dims.height == height
    message = complaint(*argv, f"data.image_resize_dims.height={height + 1}")
    assert f"must be a multiple of {stride}, the stride of {backbone}; the nearest is" in message
