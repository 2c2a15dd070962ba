"""The schema's defaults, and values that follow the length of training."""

from __future__ import annotations

import pytest

from lightning_pose.config.keys import known_keys
from lightning_pose.config.registered import settings_of
from lightning_pose.config.schema import (
    AnnealWeightConfig,
    CallbacksConfig,
    Config,
    DataConfig,
    TrainingConfig,
)
from lightning_pose.contracts.settings import Follows


def test_defaults_are_those_of_the_specification() -> None:
    config = Config()
    values = {setting.key: setting.value for setting in settings_of(config)}
    wanted = {
        "data.csv_file": "CollectedData.csv",
        "data.image_resize_dims.height": 256,
        "data.image_resize_dims.width": 256,
        "data.downsample_factor": 2,
        "training.imgaug": "dlc",
        "training.imgaug_hflip": False,
        "training.train_batch_size": 16,
        "training.val_batch_size": 32,
        "training.test_batch_size": 32,
        "training.train_prob": 0.95,
        "training.val_prob": 0.05,
        "training.split_by": "frame",
        "training.train_frames": 1,
        "training.num_gpus": 1,
        "training.num_nodes": 1,
        "training.accelerator": "auto",
        "training.precision": "auto",
        "training.early_stopping": False,
        "training.early_stop_patience": 3,
        "training.unfreezing_epoch": 20,
        "training.min_epochs": 300,
        "training.max_epochs": 300,
        "training.check_val_every_n_epoch": 5,
        "training.log_every_n_steps": 10,
        "training.ckpt_every_n_epochs": None,
        "training.rng_seed_data_pt": 0,
        "training.rng_seed_model_pt": 0,
        "training.optimizer": "Adam",
        "training.lr_scheduler": "multisteplr",
        "training.uniform_heatmaps_for_nan_keypoints": True,
        "training.accumulate_grad_batches": 1,
        "training.gradient_clip_val": None,
        "training.limit_train_batches": None,
        "model.model_type": "heatmap",
        "model.backbone": "efficientnet_lite0",
        "model.backbone_pretrained": True,
        "model.losses_to_use": [],
        "model.heatmap_loss_type": "mse",
        "model.checkpoint": None,
        "model.resume": None,
        "dali.base.train.sequence_length": 32,
        "dali.base.predict.sequence_length": 96,
        "dali.context.train.batch_size": 16,
        "dali.context.predict.sequence_length": 96,
        "dali.general.seed": 123456,
        "dali.general.engine": "auto",
        "callbacks.anneal_weight.init_val": 0.0,
        "callbacks.anneal_weight.increase_factor": 0.01,
        "callbacks.anneal_weight.final_val": 1.0,
        "callbacks.anneal_weight.freeze_until_epoch": 60,
        "eval.predict_vids_after_training": True,
        "eval.save_vids_after_training": False,
        "eval.confidence_thresh_for_vid": 0.9,
        "eval.colormap": "cool",
        "eval.hydra_paths": [],
        "tracking.enabled": True,
        "tracking.log_models": True,
        "tracking.system_metrics": True,
        "tracking.flush_s": 5,
    }
    assert {key: values[key] for key in wanted} == wanted


def test_every_setting_is_documented() -> None:
    undocumented = [s.key for s in settings_of(Config()) if not s.rule.doc.endswith(".")]
    assert undocumented == []


def test_keys_of_sections_and_values_are_known() -> None:
    assert {"data", "dali.base.train", "training.max_epochs", "losses"} <= set(known_keys())


def test_a_short_training_shortens_what_follows_it() -> None:
    config = Config(training=TrainingConfig(max_epochs=60))
    training = config.training
    assert (training.min_epochs, training.unfreezing_epoch) == (60, 4)
    assert config.callbacks.anneal_weight.freeze_until_epoch == 12


def test_what_follows_is_at_least_one() -> None:
    training = TrainingConfig(max_epochs=2)
    assert (training.unfreezing_epoch, training.check_val_every_n_epoch) == (1, 2)


def test_a_value_that_is_given_does_not_follow() -> None:
    assert TrainingConfig(max_epochs=60, unfreezing_epoch=30).unfreezing_epoch == 30


def test_a_given_unfreezing_step_leaves_no_unfreezing_epoch() -> None:
    training = TrainingConfig(max_epochs=60, unfreezing_step=100)
    assert (training.unfreezing_epoch, training.unfreezing_step) == (None, 100)


def test_a_length_in_steps_has_no_epochs() -> None:
    training = TrainingConfig(max_steps=3000)
    assert (training.max_epochs, training.min_epochs, training.unfreezing_epoch) == (None,) * 3
    assert (training.min_steps, training.unfreezing_step) == (3000, 200)
    assert training.check_val_every_n_epoch == 5


def test_a_longer_training_keeps_the_cap_of_min_epochs() -> None:
    assert TrainingConfig(max_epochs=900).min_epochs == 300


@pytest.mark.parametrize(("end", "wanted"), [(300, [150, 200, 250]), (60, [30, 40, 50])])
def test_milestones_keep_their_share_of_the_training(end: int, wanted: list[int]) -> None:
    assert Follows((150, 200, 250), "share").at(end) == wanted


def test_annealing_waits_then_rises_to_its_final_value() -> None:
    anneal = AnnealWeightConfig(increase_factor=0.4, freeze_until_epoch=10)
    weights = [anneal.weight_at(epoch) for epoch in (0, 10, 11, 12, 13, 100)]
    assert weights == pytest.approx([0, 0, 0.4, 0.8, 1, 1])


def test_annealing_that_is_given_stays() -> None:
    anneal = AnnealWeightConfig(freeze_until_epoch=7)
    config = Config(
        training=TrainingConfig(max_epochs=30), callbacks=CallbacksConfig(anneal_weight=anneal)
    )
    assert config.callbacks.anneal_weight.freeze_until_epoch == 7


def test_annealing_follows_a_length_in_steps() -> None:
    anneal = Config(training=TrainingConfig(max_steps=500)).callbacks.anneal_weight
    assert (anneal.freeze_until_epoch, anneal.freeze_until_step) == (None, 100)
    in_epochs = anneal.in_epochs(lambda step: step // 10)
    assert [in_epochs.weight_at(epoch) for epoch in (10, 11, 49)] == [
        pytest.approx(weight) for weight in (0, 0.01, 0.39)
    ]


def test_one_csv_is_a_list_of_one() -> None:
    assert DataConfig().csv_files == ["CollectedData.csv"]
    assert DataConfig(csv_file=["a.csv", "b.csv"]).csv_files == ["a.csv", "b.csv"]
