"""Ranges in Hydra's grammar become a search space, and a search runs through Hydra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightning_pose.config.app import RunContext
from lightning_pose.config.run import run_hydra
from lightning_pose.config.schema import Config
from lightning_pose.config.search_space import as_texts, read_space
from lightning_pose.contracts.errors import ConfigError, TrainingError
from lightning_pose.contracts.search_space import Choice, Range
from tests.config.conftest import Message, Prepare

SEARCH = ("data=toy", "-m", "tracking=none", "hydra/sweeper=litpose_optuna")
RATE = "training.optimizer_params.learning_rate=tag(log, interval(1e-4, 1e-2))"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("interval(0.1, 1)", Range(low=0.1, high=1)),
        ("interval(1, 5)", Range(low=1, high=5)),
        ("tag(log, interval(1e-4, 1e-2))", Range(low=1e-4, high=1e-2, log=True)),
        ("range(1, 8, 3)", Range(low=1, high=7, step=3)),
        ("choice([], [temporal])", Choice(values=("[]", "[temporal]"))),
        ("a,b", Choice(values=("a", "b"))),
    ],
)
def test_the_grammar_of_hydra_gives_ranges(text: str, expected: Choice | Range) -> None:
    (parameter,), fixed = read_space({}, {}, [f"some.key={text}", "data=toy"])
    assert (parameter.key, parameter.values) == ("some.key", expected)
    assert fixed == ("data=toy",)


def test_the_command_line_wins_over_the_file() -> None:
    params = {"a": "interval(0.0, 1.0)", "b": "1,2"}
    space, fixed = read_space(params, {"b": {"a": 1}}, ["a=0.5", "b=1,2,3"])
    assert (as_texts(space), fixed) == ({"b": "1,2,3"}, ("a=0.5",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("interval(2.0, 1.0)", "runs downwards"),
        ("tag(log, interval(0.0, 1.0))", "must begin above 0"),
        ("1", "There is nothing to search"),
    ],
)
def test_a_range_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_space({}, {}, [f"some.key={text}"])


def test_a_condition_on_a_condition_is_refused() -> None:
    with pytest.raises(ConfigError, match="b has a condition itself"):
        read_space({"a": "1,2", "b": "1,2", "c": "1,2"}, {"b": {"a": 1}, "c": {"b": 1}}, [])


def trained(prepared: Prepare, *argv: str, fails: int = -1) -> list[tuple[float, RunContext]]:
    """Run a search whose trainings only tell an error; return rate and context of each."""
    from lightning_pose.mlops.sweeps.trial import RunningTrial

    seen: list[tuple[float, RunContext]] = []

    def train(config: Config, context: RunContext) -> None:
        assert context.trial is not None
        trial = RunningTrial(context.trial)
        rate = config.training.optimizer_params["learning_rate"]
        seen.append((rate, context))
        (context.run_dir / "config.yaml").touch()
        if context.trial.number == fails:
            trial.failed("The loss became nan.")
            raise TrainingError("The loss became nan.")
        trial.complete([1.0 + rate])

    run_hydra(train, prepared(*SEARCH, *argv))
    return seen


def test_a_search_on_the_command_line_is_carried_on_by_the_same_command(
    prepared: Prepare, tmp_path: Path
) -> None:
    first = trained(prepared, RATE, "hydra.sweeper.n_trials=3", fails=1)
    assert [context.run_dir for _, context in first] == [
        tmp_path / "multirun" / "learning_rate" / str(number) for number in range(3)
    ]
    assert all(1e-4 <= rate <= 1e-2 for rate, _ in first)
    more = trained(prepared, RATE, "hydra.sweeper.n_trials=5", "eval=none")
    assert [context.job for _, context in more] == [3, 4]
    with pytest.raises(ConfigError, match="begun with other settings"):
        trained(prepared, RATE.replace("1e-2", "1e-1"))
    with pytest.raises(ConfigError, match=r"training\.max_epochs was not set"):
        trained(prepared, RATE, "training.max_epochs=7")


def test_a_half_trained_trial_resumes_in_its_folder(prepared: Prepare) -> None:
    def stop(config: Config, context: RunContext) -> Any:
        (context.run_dir / "config.yaml").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_hydra(stop, prepared(*SEARCH, RATE, "hydra.sweeper.n_trials=2"))
    again, new = [c for _, c in trained(prepared, RATE, "hydra.sweeper.n_trials=2")]
    assert (again.resumed, again.run_dir.name, again.job) == (True, "0", 1)
    assert (new.resumed, new.run_dir.name, new.job) == (False, "2", 2)


def test_settings_of_a_search_are_checked_with_everything_else(complaint: Message) -> None:
    assert "must be one of tpe" in complaint(*SEARCH, RATE, "hydra.sweeper.sampler=best")
    assert "There is nothing to search" in complaint(*SEARCH)
    late = complaint(
        *SEARCH,
        RATE,
        "hydra.sweeper.pruner=median",
        "model.losses_to_use=[temporal]",
        "training.max_epochs=30",
        "callbacks.anneal_weight.freeze_until_epoch=26",
    )
    assert "leaves a pruner nothing to do" in late


def test_a_trial_whose_values_cannot_be_is_recorded_and_not_tried_again(
    prepared: Prepare, tmp_path: Path
) -> None:
    import optuna

    from lightning_pose.mlops.sweeps.study import find_study

    def never(config: Config, context: RunContext) -> None:
        raise ConfigError("training.optimizer_params is nothing this machine can do.")

    run_hydra(never, prepared(*SEARCH, RATE, "hydra.sweeper.n_trials=2"))
    trials = find_study(tmp_path / "multirun" / "learning_rate").trials
    assert [trial.state for trial in trials] == [optuna.trial.TrialState.FAIL] * 2
    assert "nothing this machine can do" in trials[0].user_attrs["error"]


def test_the_same_study_in_another_folder_is_refused(prepared: Prepare, tmp_path: Path) -> None:
    storage = f"hydra.sweeper.storage=sqlite:///{tmp_path / 'studies.db'}"
    trained(prepared, RATE, "hydra.sweeper.n_trials=1", storage)
    with pytest.raises(ConfigError, match=r"is the one of the sweep in .*multirun/learning_rate"):
        trained(
            prepared, RATE, "hydra.sweeper.n_trials=1", storage, f"hydra.sweep.dir={tmp_path}/b"
        )
