"""Values that are each fine and do not go together."""

# ruff: noqa: E501 (messages are quoted whole)
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.config.conftest import Message


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        (
            ["training.train_prob=0.9", "training.val_prob=0.2"],
            "training.train_prob = 0.9 (override training.train_prob=0.9): train_prob and val_prob "
            "(0.2) add up to 1.1, which is more than 1; what is left of 1 is the test set",
        ),
        (
            ["training.split_by=file"],
            "training.split_file: must name a csv with columns image and set, because "
            "training.split_by is file",
        ),
        (
            ["training.train_frames=1.5"],
            "training.train_frames = 1.5 (override training.train_frames=1.5): must be a whole "
            "number of frames, or a fraction below 1",
        ),
        (
            ["training.limit_train_batches=1.5"],
            "training.limit_train_batches = 1.5 (override training.limit_train_batches=1.5): must "
            "be a whole number of batches, or a share up to 1.0",
        ),
        (
            ["training.max_epochs=9", "training.max_steps=10"],
            "training.max_epochs = 9 (override training.max_epochs=9): cannot be set together with "
            "training.max_steps = 10; set one of them to null",
        ),
        (
            ["training.min_epochs=9", "training.max_steps=10"],
            "training.min_epochs = 9 (override training.min_epochs=9): cannot be set together with "
            "training.max_steps = 10; set one of them to null",
        ),
        (
            ["training.min_steps=9"],
            "training.min_steps = 9 (override training.min_steps=9): needs training.max_steps; "
            "without it the length counts in epochs",
        ),
        (
            [
                "callbacks.anneal_weight.freeze_until_step=9",
                "callbacks.anneal_weight.freeze_until_epoch=3",
            ],
            "callbacks.anneal_weight.freeze_until_epoch = 3 (override "
            "callbacks.anneal_weight.freeze_until_epoch=3): cannot be set together with "
            "callbacks.anneal_weight.freeze_until_step = 9; set one of them to null",
        ),
        (
            ["training.max_steps=10", "training.unfreezing_step=11"],
            "training.unfreezing_step = 11 (override training.unfreezing_step=11): lies past the "
            "end of training, max_steps 10; leave it out or set it to null to let it follow "
            "training.max_steps",
        ),
        (
            ["training.max_epochs=60", "training.min_epochs=61"],
            "training.min_epochs = 61 (override training.min_epochs=61): lies past the end of "
            "training, max_epochs 60; leave it out or set it to null to let it follow "
            "training.max_epochs",
        ),
        (
            ["training.max_epochs=60", "training.unfreezing_epoch=60"],
            "training.unfreezing_epoch = 60 (override training.unfreezing_epoch=60): lies past the "
            "end of training, max_epochs 60; leave it out or set it to null to let it follow "
            "training.max_epochs",
        ),
        (
            ["training.max_epochs=210", "training.lr_scheduler_params.milestones=[150,220,250]"],
            "training.lr_scheduler_params.milestones = [150, 220, 250] (override "
            "training.lr_scheduler_params.milestones=[150,220,250]): lies past the end of training, "
            "max_epochs 210: 220, 250; leave it out or set it to null to let it follow "
            "training.max_epochs",
        ),
        (
            ["model.losses_to_use=[temporal]", "callbacks.anneal_weight.increase_factor=0"],
            "model.losses_to_use = ['temporal'] (override model.losses_to_use=[temporal]): would "
            "never count: with callbacks.anneal_weight.init_val 0, increase_factor 0, final_val 1 "
            "and freeze_until_epoch 60 their weight stays 0 through all 300 epochs",
        ),
        (
            ["model.losses_to_use=[temporal]", "callbacks.anneal_weight.freeze_until_epoch=300"],
            "callbacks.anneal_weight.freeze_until_epoch = 300 (override "
            "callbacks.anneal_weight.freeze_until_epoch=300): lies past the end of training, "
            "max_epochs 300; leave it out or set it to null to let it follow training.max_epochs",
        ),
        (
            ["model.losses_to_use=[temporal, temporal]"],
            "model.losses_to_use = ['temporal', 'temporal'] (override "
            "model.losses_to_use=[temporal, temporal]): names temporal more than once",
        ),
        (
            ["data.num_keypoints=3"],
            "data.num_keypoints = 3 (override data.num_keypoints=3): differs from the 14 names in "
            "data.keypoint_names",
        ),
        (
            ["data.columns_for_singleview_pca=[0,1,14]"],
            "data.columns_for_singleview_pca (override data.columns_for_singleview_pca=[0,1,14]): "
            "has 14, but 14 keypoints count 0 to 13",
        ),
        (
            ["data.columns_for_singleview_pca=[]"],
            "data.columns_for_singleview_pca = [] (override data.columns_for_singleview_pca=[]): "
            "names no keypoint; null takes all",
        ),
        (
            ["data.mirrored_column_matches=[[0,1],[1,2]]"],
            "data.mirrored_column_matches (override data.mirrored_column_matches=[[0,1],[1,2]]): "
            "has 1 more than once",
        ),
        (
            ["data.mirrored_column_matches=[[0,1],[2]]"],
            "data.mirrored_column_matches (override data.mirrored_column_matches=[[0,1],[2]]): must "
            "list the same body parts for every view, but the views have 2, 1 keypoints",
        ),
        (
            ["data.mirrored_column_matches=[[0,1]]"],
            "data.mirrored_column_matches = [[0, 1]] (override "
            "data.mirrored_column_matches=[[0,1]]): must have one list per view, so at least two; "
            "null if there are no mirrored views",
        ),
        (
            ["data.view_names=[top, side]"],
            "data.view_names = ['top', 'side'] (override data.view_names=[top, side]): must name as "
            "many views as data.csv_file has files, which is 1",
        ),
        (
            ["data.image_resize_dims.height=100"],
            "data.image_resize_dims.height = 100 (override data.image_resize_dims.height=100): must "
            "be a multiple of 16, the stride of efficientnet_lite0; the nearest is 96 or 112",
        ),
        (
            ["model.heatmap_loss_type=huber"],
            "model.heatmap_loss_type = 'huber' (override model.heatmap_loss_type=huber): there is no such "
            "loss; known: js, kl, mse",
        ),
        (
            ["model.losses_to_use=[heatmap_mse]"],
            "model.losses_to_use[0] = 'heatmap_mse' (override model.losses_to_use=[heatmap_mse]): "
            "there is no such loss; known: temporal",
        ),
        (
            ["model=regression", "model.params.sigma=1"],
            "model.params.sigma (override model.params.sigma=1): the tracker regression has no "
            "settings",
        ),
        (
            ["model.params.sigma=-1"],
            "model.params (override model.params.sigma=-1): sigma must be above 0, got -1.0",
        ),
        (
            ["data.generator=dog"],
            "data.generator = 'dog' (override data.generator=dog): there is no such generator; "
            "known: toy, toy_cameras",
        ),
    ],
)
def test_what_does_not_go_together_is_said(
    complaint: Message, overrides: list[str], wanted: str
) -> None:
    assert complaint("data=toy", *overrides) == f"The configuration has a problem.\n  {wanted}"


def test_matches_of_cameras_are_one_list_each(complaint: Message, data_set: Path) -> None:
    for view in "abc":
        (data_set / f"{view}.csv").touch()
    names = ["data.csv_file=[a.csv, b.csv, c.csv]", "data.view_names=[a, b, c]"]
    matches = "data.mirrored_column_matches=[[0, 1], [0, 1]]"
    message = complaint(f"data.data_dir={data_set}", *names, matches)
    assert "must have one list per view, so 3, or be null" in message


def test_cameras_count_their_keypoints_each(built: Callable[..., Any], data_set: Path) -> None:
    for view in "ab":
        (data_set / f"{view}.csv").touch()
    names = ["data.csv_file=[a.csv, b.csv]", "data.view_names=[a, b]", "data.num_keypoints=2"]
    matches = "data.mirrored_column_matches=[[0, 1], [0, 1]]"
    built(f"data.data_dir={data_set}", *names, matches)


def test_a_camera_calibration_is_refused(complaint: Message, data_set: Path) -> None:
    (data_set / "cameras.toml").touch()
    message = complaint(f"data.data_dir={data_set}", "data.camera_params_file=cameras.toml")
    assert "must be null: nothing here reads a calibration" in message


@pytest.mark.parametrize(
    "overrides",
    [
        ["training.train_prob=0.7", "training.val_prob=0.3000001"],
        ["training.max_epochs=1"],
        ["training.max_epochs=60", "callbacks.anneal_weight.freeze_until_epoch=80"],
        ["training.max_steps=10"],
        ["training.max_steps=10", "training.unfreezing_step=3"],
        ["data.image_resize_dims.height=112", "data.image_resize_dims.width=64"],
        ["training.train_frames=0.5"],
        ["training.train_frames=null"],
        ["training.limit_train_batches=1.0"],
        ["model.losses_to_use=[temporal]", "training.max_epochs=3"],
        ["training.imgaug={Rotate: {p: 1}}"],
    ],
)
def test_what_goes_together_passes(built: Callable[..., Any], overrides: list[str]) -> None:
    built("data=toy", *overrides)


def test_losses_from_video_need_a_folder_of_videos(complaint: Message, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "CollectedData.csv").touch()
    message = complaint("data.data_dir=bare", "model.losses_to_use=[temporal]")
    assert message == (
        "The configuration has a problem.\n  data.video_dir: must be set, because "
        "model.losses_to_use learn from unlabelled video; there is no folder videos in data.data_dir"
    )


def test_a_mistake_is_not_reported_twice_through_its_consequences(complaint: Message) -> None:
    message = complaint("data=toy", "training.train_prob=9", "training.max_epochs=-1")
    assert message.startswith("The configuration has 2 problems.")


def test_the_checks_of_other_rooms_take_part(prepared: Any, toy: Path) -> None:
    from lightning_pose.config.build import Hooks
    from lightning_pose.config.compose import prepare
    from lightning_pose.contracts.errors import ConfigError

    def refuse(config: Any) -> None:
        raise ConfigError("Rotate has no setting 'degrees'.")

    hooks = Hooks(generators={"toy": lambda: toy}, checks={"training.imgaug": refuse})
    with pytest.raises(ConfigError, match=r"training.imgaug .*: Rotate has no setting 'degrees'"):
        prepare(["data=toy", "training.imgaug={Rotate: {degrees: 3}}"], hooks=hooks)
