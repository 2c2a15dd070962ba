"""On a GPU too, equal seeds give equal weights, interrupted or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor

from lightning_pose.api import get_dataset, get_model
from lightning_pose.config.schema import (
    Config,
    DataConfig,
    ImageDims,
    ModelConfig,
    TrainingConfig,
)
from lightning_pose.data.labeled_data import read_tables
from lightning_pose.data.toy import make_toy_dataset
from lightning_pose.training.fit import fit
from lightning_pose.training.result import INTERRUPTED

pytestmark = pytest.mark.gpu
EPOCHS = 6


class Interruption(pl.Callback):
    """Ctrl-C in the middle of an epoch."""

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.current_epoch == 3:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_dataset(
        tmp_path_factory.mktemp("toy") / "toy",
        num_labeled=26,
        num_video_frames=2,
        num_new_labeled=2,
        num_new_video_frames=2,
    )


def config_for(data_dir: Path, model_type: str, backbone: str) -> Config:
    return Config(
        data=DataConfig(data_dir=str(data_dir), image_resize_dims=ImageDims(height=64, width=64)),
        training=TrainingConfig(
            max_epochs=EPOCHS,
            unfreezing_epoch=1,
            train_prob=0.8,
            val_prob=0.2,
            train_batch_size=8,
            check_val_every_n_epoch=2,
        ),
        model=ModelConfig(model_type=model_type, backbone=backbone, backbone_pretrained=False),
    )


def trained(
    config: Config, run_dir: Path, *, interrupted: bool = False, resume: bool = False
) -> dict[str, Tensor]:
    names = read_tables(config.data)[0].keypoint_names
    tracker = get_model(config, keypoint_names=names)
    data = get_dataset(config, spec=tracker.data_spec)
    result = fit(
        tracker,
        data.train_loader(),
        data.val_loader(),
        settings=config.training,
        run_dir=run_dir,
        callbacks=[Interruption()] if interrupted else [],
        resume_from=run_dir if resume else None,
        save_every_s=0.0,
    )
    assert (result.outcome == INTERRUPTED) is interrupted
    assert result.last_checkpoint is not None
    return torch.load(result.last_checkpoint, weights_only=True, map_location="cpu")["state_dict"]


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    unequal = [name for name in first if not torch.equal(first[name], second[name])]
    assert {name: (first[name] - second[name]).abs().max() for name in unequal} == {}


@pytest.mark.parametrize("model_type", ["heatmap", "heatmap_mhcrnn", "regression"])
@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "resnet50"])
def test_trainings_with_equal_seeds_are_bit_equal_interrupted_or_not(
    data_dir: Path, tmp_path: Path, model_type: str, backbone: str
) -> None:
    config = config_for(data_dir, model_type, backbone)
    whole = trained(config, tmp_path / "whole")
    assert_same(trained(config, tmp_path / "again"), whole)
    trained(config, tmp_path / "cut", interrupted=True)
    assert_same(trained(config, tmp_path / "cut", resume=True), whole)
