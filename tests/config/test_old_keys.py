"""Files written for the predecessor load, with a note for every key that changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightning_pose.config.old_keys import translate
from tests.config.conftest import FILES, Message, Prepare, make_data_set

OPTIONS_2023 = ("--config-path", str(FILES), "--config-name", "predecessor_2023")
OPTIONS_2026 = ("--config-path", str(FILES), "--config-name", "predecessor_2026")


@pytest.fixture(autouse=True)
def _mouse_in_this_folder(tmp_path: Path) -> Path:
    return make_data_set(tmp_path / "mirror-mouse-example")


def test_the_layout_of_2023_loads_with_notes(
    prepared: Prepare, built: Callable[..., Any], tmp_path: Path
) -> None:
    assert prepared(*OPTIONS_2023).notes == (
        "data.keypoints is now data.keypoint_names.",
        "training.lr_scheduler_params.multisteplr.* is now training.lr_scheduler_params.*.",
        "If this file was written before February 2026, its losses weighed less there than here; "
        "--legacy-weights doubles the values to make up for it: losses.pca_multiview.log_weight "
        "5, losses.pca_singleview.log_weight 5, losses.temporal.log_weight 5, "
        "losses.unimodal_mse.log_weight 7, losses.unimodal_kl.log_weight 7, "
        "losses.unimodal_wasserstein.log_weight 7.",
        "model.do_context is left out: model.model_type says it.",
        "data.header_rows is left out: header rows are recognised.",
        "training.gpu_id is left out: choose a GPU with the variable CUDA_VISIBLE_DEVICES.",
        "training.multiple_trainloader_mode is left out: the shorter loader always cycles.",
        "training.profiler, dali.context.train.consecutive_sequences, "
        "losses.pca_multiview.error_metric, losses.pca_singleview.error_metric, "
        "eval.fiftyone.build_speed, callbacks.anneal_weight.attr_name are left out: not used by "
        "this version.",
        "losses.pca_multiview.empirical_epsilon_percentile, "
        "losses.pca_multiview.empirical_epsilon_multiplier, "
        "losses.pca_singleview.empirical_epsilon_percentile, "
        "losses.pca_singleview.empirical_epsilon_multiplier are left out: epsilon: null is the "
        "99th percentile of the training error, or set epsilon.",
        "eval.video_file_to_plot, eval.pred_csv_files_to_plot are left out: `litpose predict "
        "--labeled-video` draws.",
        "hydra.job.chdir is left out: training never changes the folder.",
        "losses.pca_multiview, losses.pca_singleview, losses.unimodal_mse, losses.unimodal_kl, "
        "losses.unimodal_wasserstein are left out: this version has no such loss.",
    )
    config = built(*OPTIONS_2023)
    assert config.data.data_dir == str(tmp_path / "mirror-mouse-example")
    assert config.data.keypoint_names[-1] == "obsLow_bot"
    assert config.training.lr_scheduler_params["milestones"] == [150, 200, 250]
    assert config.callbacks.anneal_weight.freeze_until_epoch == 0
    assert config.eval.hydra_paths == []
    assert config.follows_max_epochs == []


def test_the_layout_of_2026_loads_with_notes(
    prepared: Prepare, built: Callable[..., Any], tmp_path: Path
) -> None:
    assert prepared(*OPTIONS_2026).notes == (
        "training.lr_scheduler_params.multisteplr.* is now training.lr_scheduler_params.*.",
        "If this file was written before February 2026, its losses weighed less there than here; "
        "--legacy-weights doubles the values to make up for it: "
        "losses.supervised_pairwise_projections.log_weight 0.5, "
        "losses.supervised_reprojection_heatmap_mse.log_weight 0.5.",
        "training.imgaug_3d, training.patch_mask.init_epoch, training.patch_mask.final_epoch, "
        "training.patch_mask.init_ratio, training.patch_mask.final_ratio, model.head, "
        "callbacks.anneal_weight.attr_name are left out: not used by this version.",
        "losses.pca_multiview, losses.pca_singleview, losses.supervised_pairwise_projections, "
        "losses.supervised_reprojection_heatmap_mse are left out: this version has no such loss.",
    )
    config = built(*OPTIONS_2026)
    training = config.training
    assert (training.max_steps, training.max_epochs, training.unfreezing_step) == (5000, None, 200)
    assert training.optimizer_params == {"learning_rate": 0.001}
    assert training.lr_scheduler_params["milestone_steps"] == [2000, 3000, 4000]
    assert config.eval.test_videos_directory == str(tmp_path / "mirror-mouse-example" / "videos")
    assert config.model.losses_to_use == []
    assert config.data.view_names == []


def test_legacy_weights_are_doubled_in_the_file_only(
    prepared: Prepare, built: Callable[..., Any]
) -> None:
    options = (*OPTIONS_2023, "--legacy-weights")
    assert "losses.temporal.log_weight is doubled from 5 to 10." in prepared(*options).notes
    assert built(*options).losses["temporal"]["log_weight"] == 10
    override = "losses.temporal.log_weight=4"
    assert built(*options, override).losses["temporal"]["log_weight"] == 4


def test_a_schedule_in_the_file_does_not_follow_a_shorter_training(complaint: Message) -> None:
    shown = str(FILES / "predecessor_2023.yaml")
    assert complaint(*OPTIONS_2023, "training.max_epochs=60").splitlines() == [
        "The configuration has 2 problems.",
        f"  1. training.min_epochs = 300 ({shown} line 71): lies past the end of training, "
        "max_epochs 60; leave it out or set it to null to let it follow training.max_epochs",
        f"  2. training.lr_scheduler_params.milestones = [150, 200, 250] ({shown} line 91): lies "
        "past the end of training, max_epochs 60: 150, 200, 250; leave it out or set it to null "
        "to let it follow training.max_epochs",
    ]


def test_null_lets_the_schedule_follow(built: Callable[..., Any]) -> None:
    training = built(
        *OPTIONS_2023,
        "training.max_epochs=60",
        "training.min_epochs=null",
        "training.lr_scheduler_params.milestones=null",
    ).training
    assert (training.min_epochs, training.lr_scheduler_params["milestones"]) == (60, [30, 40, 50])


def test_a_misspelt_loss_is_not_taken_for_an_old_one(complaint: Message) -> None:
    message = complaint("data=toy", "losses.temporl.epsilon=3")
    assert "losses.temporl (override losses.temporl.epsilon=3): there is no such loss" in message
    assert "did you mean temporal?" in message


def test_using_a_loss_that_this_version_has_not_is_an_error(complaint: Message) -> None:
    message = complaint(*OPTIONS_2023, "model.losses_to_use=[pca_singleview]")
    assert "model.losses_to_use[0] = 'pca_singleview'" in message
    assert "there is no such loss" in message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"model": {"do_context": True}}, {"model": {"model_type": "heatmap_mhcrnn"}}),
        (
            {"model": {"do_context": True, "model_type": "heatmap_mhcrnn"}},
            {"model": {"model_type": "heatmap_mhcrnn"}},
        ),
        ({"model": {"do_context": False}}, {}),
        ({"data": {"keypoints": ["a"]}}, {"data": {"keypoint_names": ["a"]}}),
        (
            {"data": {"keypoints": ["a"], "keypoint_names": ["b"]}},
            {"data": {"keypoint_names": ["b"]}},
        ),
        ({"model": {"losses_to_use": "temporal"}}, {"model": {"losses_to_use": ["temporal"]}}),
        ({"model": {"losses_to_use": None}}, {"model": {"losses_to_use": []}}),
        ({"data": {"mirrored_column_matches": []}}, {"data": {"mirrored_column_matches": None}}),
        (
            {"data": {"mirrored_column_matches": [0, 2], "view_names": ["a", "b"]}},
            {"data": {"mirrored_column_matches": [[0, 2], [0, 2]], "view_names": ["a", "b"]}},
        ),
        ({"losses": None}, {}),
        (
            {
                "training": {
                    "lr_scheduler": "cosine",
                    "lr_scheduler_params": {"multisteplr": {"a": 1}},
                }
            },
            {"training": {"lr_scheduler": "cosine"}},
        ),
        ({"training": {"max_epochs": 3}}, {"training": {"max_epochs": 3}}),
    ],
)
def test_each_old_key_has_its_place(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert translate(old).tree == new
