"""Runs get folders of their own, jobs are checked before the first starts, errors come through."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from lightning_pose.config.app import RunContext
from lightning_pose.config.load import write_run_config
from lightning_pose.config.run import run_hydra
from lightning_pose.config.run_dirs import claim
from lightning_pose.config.schema import Config
from lightning_pose.contracts.errors import TrainingError, WriteError
from tests.config.conftest import Message, Prepare, make_data_set


def keep(config: Config, context: RunContext) -> tuple[Config, RunContext]:
    """Do what a training does first: write the configuration."""
    write_run_config(config, context.run_dir)
    return config, context


def test_a_run_gets_a_dated_folder_and_the_task_stays_where_it_was(
    prepared: Prepare, tmp_path: Path
) -> None:
    _, context = run_hydra(keep, prepared("data=toy", "training.max_epochs=3"))
    date, time = context.run_dir.parts[-2:]
    assert context.run_dir == tmp_path / "outputs" / date / time
    assert (len(date.split("-")), len(time.split("-"))) == (3, 3)
    assert Path.cwd() == tmp_path
    assert [path.name for path in context.run_dir.iterdir()] == ["config.yaml"]
    assert context.overrides == ("data=toy", "training.max_epochs=3")
    assert (context.config_file, context.resumed, context.job) == (None, False, None)


def test_two_runs_that_want_one_folder_get_two(prepared: Prepare, tmp_path: Path) -> None:
    argv = ("data=toy", "hydra.run.dir=results/mine")
    dirs = [run_hydra(keep, prepared(*argv))[1].run_dir for _ in range(3)]
    assert dirs == [tmp_path / "results" / name for name in ("mine", "mine_1", "mine_2")]


def test_runs_that_start_at_the_same_moment_never_share(tmp_path: Path) -> None:
    barrier, claimed = threading.Barrier(8), []

    def start() -> None:
        barrier.wait()
        claimed.append(claim(tmp_path / "12-00-00"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(claimed)) == 8


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"The run directory .*/file/run cannot be made"):
        claim(tmp_path / "file" / "run")


def test_a_folder_name_may_hold_spaces_and_quotes(prepared: Prepare, tmp_path: Path) -> None:
    app = prepared("data=toy", "hydra.run.dir='my \\'best\\' run'")
    assert run_hydra(keep, app)[1].run_dir == tmp_path / "my 'best' run"


def test_the_tasks_own_error_comes_through_and_nothing_is_printed(
    prepared: Prepare, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(config: Config, context: RunContext) -> None:
        raise TrainingError("The loss is not a number.")

    with pytest.raises(TrainingError, match="not a number"):
        run_hydra(fail, prepared("data=toy"))
    assert capfd.readouterr() == ("", "")


def test_a_multirun_gives_each_job_its_folder_and_values(
    prepared: Prepare, tmp_path: Path
) -> None:
    contexts: list[RunContext] = []
    app = prepared("data=toy", "-m", "model=heatmap,regression", "training.max_epochs=3,4")
    run_hydra(lambda config, context: contexts.append(keep(config, context)[1]), app)
    assert [c.run_dir.name for c in contexts] == ["0", "1", "2", "3"]
    assert [c.job for c in contexts] == [0, 1, 2, 3]
    assert contexts[1].overrides == ("data=toy", "model=heatmap", "training.max_epochs=4")
    assert contexts[0].run_dir.parents[2] == tmp_path / "multirun"


def test_two_multiruns_never_share_a_folder(prepared: Prepare) -> None:
    argv = ("data=toy", "-m", "training.max_epochs=3,4", "hydra.sweep.dir=all")
    dirs: list[Path] = []
    for _ in range(2):
        run_hydra(lambda c, context: dirs.append(keep(c, context)[1].run_dir), prepared(*argv))
    assert len(set(dirs)) == 4


def test_jobs_that_want_one_folder_get_two(prepared: Prepare) -> None:
    argv = ("data=toy", "-m", "training.max_epochs=3,4", "hydra.sweep.subdir=same")
    dirs: list[Path] = []
    run_hydra(lambda c, context: dirs.append(keep(c, context)[1].run_dir), prepared(*argv))
    assert [path.name for path in dirs] == ["same", "same_1"]


def test_a_sweep_from_a_file_runs_every_combination(prepared: Prepare) -> None:
    seen: list[tuple[str, int]] = []
    run_hydra(
        lambda c, _: seen.append((c.model.model_type, c.training.rng_seed_model_pt)),
        prepared("data=toy", "-m", "+sweeps=models"),
    )
    kinds = ("heatmap", "regression", "heatmap_mhcrnn")
    assert seen == [(kind, seed) for kind in kinds for seed in (0, 1)]


def test_every_job_is_checked_before_the_first_starts(complaint: Message, tmp_path: Path) -> None:
    message = complaint(
        "data=toy",
        "-m",
        "training.train_batch_size=4,zero",
        "training.max_epochs=10,-1",
        "training.max_epoch=1,2",
    )
    assert message.splitlines() == [
        "The configuration has 3 problems.",
        "  1. training.max_epoch (override training.max_epoch=1,2): there is no such key; did you "
        "mean training.max_epochs?",
        "  2. training.max_epochs = -1 (override training.max_epochs=10,-1): must be a whole "
        "number, at least 1, or null",
        "  3. training.train_batch_size = 'zero' (override training.train_batch_size=4,zero): "
        "must be a whole number, at least 1",
    ]
    assert list(tmp_path.iterdir()) == []


def test_the_ends_of_a_range_are_checked(complaint: Message) -> None:
    message = complaint("data=toy", "-m", "training.train_prob=interval(0.5, 1.5)")
    assert "training.train_prob = 1.5" in message
    assert "more than 0 and at most 1" in message


def test_of_a_large_sweep_every_value_is_checked(complaint: Message) -> None:
    message = complaint(
        "data=toy",
        "-m",
        "training.rng_seed_model_pt=range(0,30)",
        "training.rng_seed_data_pt=0,1,2,-3",
    )
    assert "training.rng_seed_data_pt = -3" in message


def test_a_wrong_key_in_a_sweep_file_is_named(complaint: Message, tmp_path: Path) -> None:
    (tmp_path / "more" / "sweeps").mkdir(parents=True)
    (tmp_path / "more" / "sweeps" / "mine.yaml").write_text(
        "# @package _global_\nhydra: {sweeper: {params: {model.bakbone: 'a,b'}}}\n"
    )
    assert complaint("--config-dir", "more", "data=toy", "-m", "+sweeps=mine") == (
        "The configuration has a problem.\n  model.bakbone (hydra.sweeper.params model.bakbone: "
        "a,b): there is no such key; did you mean model.backbone?"
    )


def test_the_first_failing_job_of_a_multirun_raises_when_all_are_done(prepared: Prepare) -> None:
    done: list[int] = []

    def fail_once(config: Config, context: RunContext) -> None:
        done.append(context.job if context.job is not None else -1)
        if context.job == 0:
            raise TrainingError("The loss is not a number.")

    with pytest.raises(TrainingError):
        run_hydra(fail_once, prepared("data=toy", "-m", "training.max_epochs=3,4"))
    assert done == [0, 1]


def test_a_checked_command_line_can_be_sent_to_another_process(prepared: Prepare) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    app = prepared("data=toy", "-m", "training.max_epochs=3,4")
    assert cloudpickle.loads(cloudpickle.dumps(app)).overrides == app.overrides


def test_help_and_the_composed_configuration_are_shown(
    prepared: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    from lightning_pose.config.run import show

    show(prepared("--help"))
    assert "sweeps: architecture_speed, augmentation, backbone_lr, " in capsys.readouterr().out
    show(prepared("--cfg", "job", "data=toy", "training.max_epochs=7"))
    assert "max_epochs: 7" in capsys.readouterr().out


def test_nothing_is_made_by_showing(prepared: Prepare, tmp_path: Path) -> None:
    prepared("--cfg", "job", "data=toy")
    assert list(tmp_path.iterdir()) == []


def test_another_hydra_stays_as_it_was(prepared: Prepare) -> None:
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    with hydra.initialize(version_base="1.3", config_path=None):
        before: Any = GlobalHydra.instance().hydra
        prepared("data=toy")
        assert GlobalHydra.instance().hydra is before


def test_settings_of_an_optimizer_can_be_swept_in_a_file(
    prepared: Prepare, tmp_path: Path
) -> None:
    (tmp_path / "more" / "sweeps").mkdir(parents=True)
    (tmp_path / "more" / "sweeps" / "rates.yaml").write_text(
        "# @package _global_\nhydra: {sweeper: {params: "
        "{training.optimizer_params.learning_rate: '1e-3,1e-4'}}}\n"
    )
    seen: list[float] = []
    run_hydra(
        lambda config, _: seen.append(config.training.optimizer_params["learning_rate"]),
        prepared("--config-dir", "more", "data=toy", "-m", "+sweeps=rates"),
    )
    assert seen == [1e-3, 1e-4]


def test_hydras_own_folder_does_not_count_as_another_run(prepared: Prepare) -> None:
    argv = ("data=toy", "-m", "training.max_epochs=3,4", "hydra.output_subdir=.hydra")
    dirs: list[Path] = []
    run_hydra(lambda c, context: dirs.append(context.run_dir), prepared(*argv))
    assert [path.name for path in dirs] == ["0", "1"]


def test_a_sweep_over_data_sets_is_not_shadowed_by_the_toy_set(
    prepared: Prepare, tmp_path: Path
) -> None:
    (tmp_path / "more" / "sweeps").mkdir(parents=True)
    (tmp_path / "more" / "sweeps" / "sets.yaml").write_text(
        "# @package _global_\nhydra: {sweeper: {params: {data.data_dir: 'a,b'}}}\n"
    )
    for name in ("a", "b"):
        make_data_set(tmp_path / name)
    seen: list[str] = []
    run_hydra(
        lambda config, _: seen.append(Path(config.data.data_dir).name),
        prepared("--config-dir", "more", "-m", "+sweeps=sets"),
    )
    assert seen == ["a", "b"]
