"""Every file in conf/model/ builds a tracker; that every file composes is held in tests/config."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_pose.api import get_model
from lightning_pose.config.assets import group_choices
from lightning_pose.config.build import Hooks
from lightning_pose.config.compose import prepare
from lightning_pose.config.run import run_hydra
from lightning_pose.config.schema import Config

SMALL = ("data.image_resize_dims.height=64", "data.image_resize_dims.width=64")


@pytest.fixture
def hooks(tmp_path: Path) -> Hooks:
    """Return hooks that stand an empty data set in for the toy data."""
    folder = tmp_path / "toy"
    (folder / "videos").mkdir(parents=True)
    (folder / "CollectedData.csv").touch()
    return Hooks(generators={"toy": lambda: folder})


@pytest.mark.parametrize("name", group_choices()["model"])
def test_a_model_file_builds_its_tracker(name: str, hooks: Hooks) -> None:
    words = ["data=toy", f"model={name}", "model.backbone_pretrained=false", *SMALL]
    config: Config = run_hydra(lambda config, _: config, prepare(words, hooks=hooks))
    tracker = get_model(config, keypoint_names=("nose", "tail"))
    assert tracker.spec.model_type == config.model.model_type
