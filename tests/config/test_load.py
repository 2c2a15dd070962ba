"""A run's configuration is complete, can be read back, trained again and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lightning_pose.config.load import config_to_yaml, load_config, load_run_config
from lightning_pose.config.run import run_hydra
from lightning_pose.contracts.errors import ConfigError
from tests.config.conftest import FILES, Message, Prepare
from tests.config.test_run import keep

LOSSES_OFF = "model.losses_to_use=[]"


@pytest.fixture
def run_dir(prepared: Prepare) -> Path:
    """Return the folder of a run of 60 epochs."""
    app = prepared("data=toy", "training.max_epochs=60", "model.losses_to_use=[temporal]")
    return run_hydra(keep, app)[1].run_dir


def test_the_written_configuration_reads_back_the_same(run_dir: Path, prepared: Prepare) -> None:
    config = load_run_config(run_dir)
    assert config.training.max_epochs == 60
    assert config_to_yaml(config) == (run_dir / "config.yaml").read_text()


def test_the_written_configuration_is_plain_yaml_with_every_value(run_dir: Path) -> None:
    tree = yaml.safe_load((run_dir / "config.yaml").read_text())
    assert tree["training"]["optimizer_params"] == {"learning_rate": 0.001}
    assert tree["training"]["lr_scheduler_params"]["milestones"] == [30, 40, 50]
    assert tree["losses"]["temporal"] == {
        "log_weight": 11.0,
        "epsilon": 20.0,
        "prob_threshold": 0.05,
    }
    assert tree["callbacks"]["anneal_weight"]["freeze_until_epoch"] == 12
    assert tree["follows_max_epochs"] == [
        "callbacks.anneal_weight.freeze_until_epoch",
        "training.check_val_every_n_epoch",
        "training.lr_scheduler_params.milestones",
        "training.min_epochs",
        "training.unfreezing_epoch",
    ]


def test_a_run_trains_again_from_its_own_file(run_dir: Path, prepared: Prepare) -> None:
    options = ("--config-path", str(run_dir), "--config-name", "config")
    config, context = run_hydra(keep, prepared(*options))
    assert config == load_run_config(run_dir)
    assert context.run_dir != run_dir


def test_training_again_for_longer_works_the_schedule_out_anew(
    run_dir: Path, prepared: Prepare
) -> None:
    options = ("--config-path", str(run_dir), "--config-name", "config")
    config, _ = run_hydra(keep, prepared(*options, "training.max_epochs=30"))
    assert config.training.lr_scheduler_params["milestones"] == [15, 20, 25]
    assert config.training.min_epochs == 30


def test_resuming_goes_on_in_the_same_folder_with_the_same_values(
    run_dir: Path, prepared: Prepare
) -> None:
    before = load_run_config(run_dir)
    config, context = run_hydra(keep, prepared(f"model.resume={run_dir}"))
    assert (context.run_dir, context.resumed) == (run_dir, True)
    assert config.model.resume == str(run_dir)
    assert load_run_config(run_dir) == before


def test_a_resumed_run_may_be_lengthened_and_keeps_its_schedule(
    run_dir: Path, prepared: Prepare
) -> None:
    app = prepared(f"model.resume={run_dir}", "training.max_epochs=100", "tracking.enabled=false")
    config, _ = run_hydra(keep, app)
    training = config.training
    assert (training.max_epochs, training.min_epochs, training.unfreezing_epoch) == (100, 100, 4)
    assert training.lr_scheduler_params["milestones"] == [30, 40, 50]
    assert config.callbacks.anneal_weight.freeze_until_epoch == 12


def test_a_resumed_run_may_be_cut_short(run_dir: Path, prepared: Prepare) -> None:
    app = prepared(f"model.resume={run_dir}", "training.max_epochs=20")
    config, _ = run_hydra(keep, app)
    assert (config.training.max_epochs, config.training.min_epochs) == (20, 20)
    assert config.training.lr_scheduler_params["milestones"] == [30, 40, 50]


def test_another_loss_is_one_mistake_and_not_its_settings_too(
    run_dir: Path, complaint: Message
) -> None:
    message = complaint(f"model.resume={run_dir}", "losses.temporal.epsilon=3", LOSSES_OFF)
    assert message.startswith("The configuration has a problem.\n  model.losses_to_use = [] (")
    assert "was ['temporal'] in the run to be resumed" in message


def test_a_relative_run_is_found_here_or_under_outputs(run_dir: Path, prepared: Prepare) -> None:
    under_outputs = "/".join(run_dir.parts[-2:])
    for name in (under_outputs, f"outputs/{under_outputs}"):
        assert prepared(f"model.resume={name}").resume == run_dir


def test_what_would_bend_the_curve_is_refused(run_dir: Path, complaint: Message) -> None:
    message = complaint(
        f"model.resume={run_dir}",
        "training.train_batch_size=8",
        "training.optimizer_params.learning_rate=0.1",
        "losses.temporal.epsilon=3",
        "eval.colormap=jet",
    )
    rule = "in the run to be resumed, and a resumed training goes on as it began; leave it out, "
    assert message.splitlines() == [
        "The configuration has 3 problems.",
        "  1. training.train_batch_size = 8 (override training.train_batch_size=8): was 16 "
        f"{rule}or start a new run",
        "  2. training.optimizer_params.learning_rate = 0.1 (override "
        f"training.optimizer_params.learning_rate=0.1): was 0.001 {rule}or start a new run",
        "  3. losses.temporal.epsilon = 3.0 (override losses.temporal.epsilon=3): was 20.0 "
        f"{rule}or start a new run",
    ]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        (["-m"], "model.resume carries one run on; leave -m out."),
        (["model=regression"], "leave model=... out."),
        (
            ["--config-path", str(FILES), "--config-name", "predecessor_2023"],
            "leave --config-name out.",
        ),
    ],
)
def test_resuming_takes_nothing_else(
    run_dir: Path, complaint: Message, more: list[str], wanted: str
) -> None:
    assert complaint(f"model.resume={run_dir}", *more).endswith(wanted)


def test_resuming_what_is_not_there(complaint: Message, tmp_path: Path) -> None:
    assert complaint("model.resume=x") == "model.resume = 'x': there is no such run directory."
    (tmp_path / "x").mkdir()
    assert complaint("model.resume=x") == (
        f"model.resume = 'x': {tmp_path}/x has no config.yaml, so it is no run directory or was "
        "stopped before training began; start it anew."
    )


def test_a_folder_without_configuration_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config.yaml is missing; is .* a run directory\?"):
        load_run_config(tmp_path)


def test_a_run_is_read_where_its_data_are_not(run_dir: Path, toy: Path) -> None:
    (toy / "CollectedData.csv").unlink()
    assert load_run_config(run_dir).data.data_dir == str(toy)


def test_a_predecessors_file_is_read_as_it_stands() -> None:
    config = load_config(FILES / "predecessor_2023.yaml")
    assert config.data.keypoint_names is not None
    assert config.training.accumulate_grad_batches == 2


def test_relative_paths_of_a_file_are_looked_for_beside_it_then_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, here = tmp_path / "mine", tmp_path / "here"
    for folder in (mine / "data" / "films", here / "data", here / "split"):
        folder.mkdir(parents=True)
    (mine / "config.yaml").write_text(
        "data: {data_dir: data, video_dir: films, bbox_file: nowhere.csv}\n"
        "training: {split_file: split}\n"
    )
    monkeypatch.chdir(here)
    config = load_config(mine / "config.yaml")
    assert config.data.data_dir == str(mine / "data")
    assert config.data.video_dir == str(mine / "data" / "films")
    assert config.data.bbox_file == "nowhere.csv"
    assert config.training.split_file == str(here / "split")
    overridden = load_config(Path("../mine/config.yaml"), overrides=["data.data_dir=data"])
    assert overridden.data.data_dir == str(here / "data")


def test_mistakes_in_a_runs_file_are_named(run_dir: Path) -> None:
    path = run_dir / "config.yaml"
    path.write_text(path.read_text().replace("train_prob: 0.8", "train_prob: much"))
    with pytest.raises(
        ConfigError, match=r"training.train_prob = 'much' \(.*config.yaml line \d+\)"
    ):
        load_run_config(run_dir)


def test_a_run_counted_in_steps_trains_again_and_resumes(prepared: Prepare) -> None:
    run_dir = run_hydra(keep, prepared("data=toy", "training.max_steps=300"))[1].run_dir
    again = ("--config-path", str(run_dir), "--config-name", "config", "training.max_steps=30")
    config: Any = run_hydra(keep, prepared(*again))[0]
    training = config.training
    assert (training.min_steps, training.unfreezing_step) == (30, 2)
    assert training.lr_scheduler_params["milestone_steps"] == [15, 20, 25]
    resumed = run_hydra(keep, prepared(f"model.resume={run_dir}", "training.max_steps=600"))[0]
    assert (resumed.training.min_steps, resumed.training.unfreezing_step) == (600, 20)


def test_overrides_lie_over_a_runs_configuration(run_dir: Path) -> None:
    config = load_run_config(run_dir, overrides=["eval.colormap=jet", "+training.num_workers=2"])
    assert (config.eval.colormap, config.training.num_workers) == ("jet", 2)


def test_wrong_overrides_of_a_runs_configuration_are_named(run_dir: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_run_config(run_dir, overrides=["eval.colourmap=jet", "eval.fiftyone.port=0"])
    assert str(caught.value).splitlines() == [
        "The configuration has 2 problems.",
        "  1. eval.colourmap (override eval.colourmap=jet): there is no such key; did you mean "
        "eval.colormap?",
        "  2. eval.fiftyone.port = 0 (override eval.fiftyone.port=0): must be a whole number, at "
        "least 1 and at most 65535",
    ]
