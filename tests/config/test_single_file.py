"""A single file lies between defaults and overrides, and its mistakes have line numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from lightning_pose.config.run import run_hydra
from tests.config.conftest import Message, Prepare


@pytest.fixture
def write(tmp_path: Path, data_set: Path) -> Callable[..., list[str]]:
    """Return a function that writes a file and gives the options that name it."""

    def write_file(text: str, name: str = "mine.yaml", folder: str = "conf of mine") -> list[str]:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text(dedent(text).replace("MY_DATA", str(data_set)))
        return ["--config-path", folder, "--config-name", name]

    return write_file


Write = Callable[..., list[str]]


def test_a_file_wins_over_defaults_and_loses_to_overrides(
    write: Write, built: Callable[..., Any]
) -> None:
    options = write(
        """
        data: {data_dir: MY_DATA}
        training: {max_epochs: 40, train_batch_size: 4}
        """
    )
    training = built(*options, "training.train_batch_size=2").training
    assert (training.max_epochs, training.train_batch_size, training.val_batch_size) == (40, 2, 32)


def test_the_name_needs_no_suffix_and_the_folder_may_be_this_one(
    tmp_path: Path, data_set: Path, built: Callable[..., Any]
) -> None:
    (tmp_path / "config.yaml").write_text(f"data: {{data_dir: {data_set}}}\n")
    assert built("--config-name", "config").data.data_dir == str(data_set)


def test_a_file_chooses_no_toy_data(write: Write, prepared: Prepare) -> None:
    assert prepared(*write("data: {data_dir: MY_DATA}")).notes == ()


def test_a_mistake_is_named_with_its_line(write: Write, complaint: Message) -> None:
    options = write(
        """\
        data:
          data_dir: MY_DATA
          keypoint_namse: [a]
        training:
          train_prob: 1.4
          imgaug: dcl
        modle:
          backbone: efficientnet_lite0
        losses:
          temporal: {epsilon: far, log_wieght: 3}
        """
    )
    assert complaint(*options).splitlines() == [
        "The configuration has 6 problems.",
        "  1. modle = {backbone: 'efficientnet_lite0'} (conf of mine/mine.yaml line 7): there is "
        "no such key; did you mean model?",
        "  2. data.keypoint_namse = ['a'] (conf of mine/mine.yaml line 3): there is no such key; "
        "did you mean data.keypoint_names?",
        "  3. training.train_prob = 1.4 (conf of mine/mine.yaml line 5): must be a number, more "
        "than 0 and at most 1",
        "  4. training.imgaug = 'dcl' (conf of mine/mine.yaml line 6): there is no such "
        "augmentation preset; did you mean dlc? known: default, dlc, dlc-top-down",
        "  5. losses.temporal.log_wieght = 3 (conf of mine/mine.yaml line 10): there is no such "
        "key; did you mean losses.temporal.log_weight?",
        "  6. losses.temporal.epsilon = 'far' (conf of mine/mine.yaml line 10): must be a number",
    ]


def test_an_override_mends_a_value_of_the_file(write: Write, built: Callable[..., Any]) -> None:
    options = write("data: {data_dir: MY_DATA}\ntraining: {train_prob: 1.4}")
    assert built(*options, "training.train_prob=0.9").training.train_prob == 0.9


def test_a_group_choice_that_would_be_lost_is_an_error(write: Write, complaint: Message) -> None:
    options = write(
        """\
        data: {data_dir: MY_DATA, num_keypoints: 17}
        model:
          model_type: heatmap
        """
    )
    assert complaint(*options, "model=regression", "data=mirror_mouse_example").splitlines() == [
        "The configuration has 2 problems.",
        "  1. model=regression: sets what the file sets too and would be lost: model.model_type "
        "(conf of mine/mine.yaml line 3); keep one of them",
        "  2. data=mirror_mouse_example: sets what the file sets too and would be lost: "
        "data.data_dir (conf of mine/mine.yaml line 1), data.num_keypoints (conf of "
        "mine/mine.yaml line 1); keep one of them",
    ]


def test_a_group_choice_beside_the_file_counts(write: Write, built: Callable[..., Any]) -> None:
    options = write("data: {data_dir: MY_DATA}")
    assert built(*options, "model=regression").model.model_type == "regression"


def test_a_multirun_and_a_sweep_work_on_a_file(write: Write, prepared: Prepare) -> None:
    options = write("data: {data_dir: MY_DATA}\ntraining: {train_batch_size: 4}")
    app = prepared(*options, "-m", "+sweeps=backbones", "training.max_epochs=3,4")
    seen: list[tuple[str, int, int]] = []
    run_hydra(
        lambda config, _: seen.append(
            (
                config.model.backbone,
                config.training.max_epochs,
                config.training.train_batch_size,
            )
        ),
        app,
    )
    assert seen == [(f"efficientnet_lite{n}", epochs, 4) for n in (0, 1, 2) for epochs in (3, 4)]


def test_the_files_own_run_folder_is_used(write: Write, prepared: Prepare, tmp_path: Path) -> None:
    options = write("data: {data_dir: MY_DATA}\nhydra: {run: {dir: 'results/${model.backbone}'}}")
    run_dir = run_hydra(lambda _, context: context.run_dir, prepared(*options))
    assert run_dir == tmp_path / "results" / "efficientnet_lite0"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (
            ["--config-path", "nowhere", "--config-name", "a"],
            "There is no a in {cwd}/nowhere; there is no such folder.",
        ),
        (
            ["--config-path", "here", "--config-name", "a"],
            "There is no a in {cwd}/here; it has b.yaml.",
        ),
        (
            ["--config-path", "here"],
            "--config-path here needs --config-name as well: the name of a "
            "file in it; it has b.yaml.",
        ),
        (["--config-dir", "nowhere"], "--config-dir nowhere: there is no such folder."),
    ],
)
def test_a_file_that_is_not_there(
    tmp_path: Path, complaint: Message, options: list[str], wanted: str
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "b.yaml").touch()
    assert complaint(*options) == wanted.format(cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "should hold sections such as `data:` and `training:`, but it is empty."),
        ("- a\n- b\n", "but it holds something else."),
        ("data: {a: 1\n", "is not valid yaml: line 2: "),
        ("data:\n  num_keypoints: 3\n  num_keypoints: 4\n", "duplicate key num_keypoints"),
        ("defaults: [{data: toy}]\n", "line 1: a single file takes no `defaults` list; write its"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    write: Write, complaint: Message, tmp_path: Path, text: str, wanted: str
) -> None:
    message = complaint(*write(text))
    assert "conf of mine/mine.yaml" in message
    assert wanted in message


def test_groups_of_ones_own_come_from_a_folder(
    tmp_path: Path, data_set: Path, built: Callable[..., Any]
) -> None:
    (tmp_path / "groups" / "data").mkdir(parents=True)
    (tmp_path / "groups" / "data" / "fly.yaml").write_text(f"data_dir: {data_set}\n")
    assert built("--config-dir", "groups", "data=fly").data.data_dir == str(data_set)


def test_plugins_beside_the_file_are_found(
    write: Write, complaint: Message, built: Callable[..., Any], tmp_path: Path
) -> None:
    options = write(
        """
        data: {data_dir: MY_DATA}
        plugins: [my_litpose_plugin]
        model: {model_type: dummy_of_mine}
        """
    )
    assert "The plugin 'my_litpose_plugin' cannot be imported" in complaint(*options)
    (tmp_path / "conf of mine" / "my_litpose_plugin.py").write_text(
        "from lightning_pose.contracts.registry import TRACKERS\n"
        "@TRACKERS.register('dummy_of_mine')\nclass Dummy: ...\n"
    )
    assert built(*options).model.model_type == "dummy_of_mine"


def test_a_file_cannot_ask_to_resume(write: Write, complaint: Message) -> None:
    message = complaint(*write("data: {data_dir: MY_DATA}\nmodel: {resume: outputs/x}"))
    assert message == (
        "The configuration has a problem.\n  model.resume (conf of mine/mine.yaml line 2): is for "
        "the command line alone: litpose train model.resume=RUN"
    )


def test_a_group_file_of_ones_own_that_is_no_yaml_is_named(
    tmp_path: Path, complaint: Message
) -> None:
    (tmp_path / "groups" / "data").mkdir(parents=True)
    (tmp_path / "groups" / "data" / "fly.yaml").write_text("a: [1\n")
    message = complaint("--config-dir", "groups", "data=fly")
    assert message.startswith("The configuration cannot be composed.")
    assert "fly.yaml" in message


def test_a_wrong_key_in_a_group_file_of_ones_own_is_named_with_its_line(
    tmp_path: Path, data_set: Path, complaint: Message
) -> None:
    (tmp_path / "groups" / "data").mkdir(parents=True)
    (tmp_path / "groups" / "data" / "fly.yaml").write_text(f"data_dir: {data_set}\ncsv_fiel: a\n")
    assert complaint("--config-dir", "groups", "data=fly") == (
        "The configuration has a problem.\n  data.csv_fiel = 'a' (data/fly.yaml line 2): there is "
        "no such key; did you mean data.csv_file?"
    )
