"""Ranges in Hydra's grammar become a search space, and a search runs through Hydra."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from lightning_pose.config.app import RunContext
from lightning_pose.config.run import run_hydra
from lightning_pose.config.schema import Config
from lightning_pose.config.search_space import as_texts, read_space
from lightning_pose.contracts.errors import ConfigError, DataError, TrainingError
from lightning_pose.contracts.search_space import Choice, Range
from lightning_pose.mlops.sweeps.advice import command_for
from lightning_pose.mlops.sweeps.findings import findings_of
from lightning_pose.mlops.sweeps.study import find_study
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
        ("tag(log, range(1, 8))", Range(low=1, high=7, step=1, log=True)),
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
    space, fixed = read_space(params, {"b": {"a": 0.5}}, ["a=0.5", "b=1,2,3"])
    assert (as_texts(space), fixed) == ({"b": "1,2,3"}, ("a=0.5",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("interval(2.0, 1.0)", "runs downwards"),
        ("tag(log, interval(0.0, 1.0))", "must begin above 0"),
        ("1", "There is nothing to search"),
        ("tag(log, range(1, 8, 2))", "has no steps"),
        ("tag(lgo, interval(1.0, 2.0))", "lgo is no tag"),
        ("interval(0, inf)", "must be numbers"),
    ],
)
def test_a_range_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_space({}, {}, [f"some.key={text}"])


@pytest.mark.parametrize(
    ("text", "whole"), [("interval(1, 5)", False), ("int(interval(1, 5))", True)]
)
def test_whole_numbers_are_drawn_where_that_is_said(text: str, whole: bool) -> None:
    (parameter,), _ = read_space({}, {}, [f"some.key={text}"])
    assert isinstance(parameter.values, Range)
    assert parameter.values.is_whole == whole


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"waight": {"losses": "a"}}, "waight is not searched"),
        ({"weight": {"loses": "a"}}, "loses is not searched"),
        ({"weight": {"losses": "c"}}, "losses is never c"),
    ],
)
def test_a_condition_that_can_never_hold_is_refused(
    conditions: dict[str, Any], message: str
) -> None:
    params = {"losses": "choice([], [a, b])", "weight": "interval(0.0, 1.0)"}
    with pytest.raises(ConfigError, match=message):
        read_space(params, conditions, [])


@pytest.mark.parametrize(("losses", "keys"), [("[a,b]", ["rate", "weight"]), ("[]", ["rate"])])
def test_a_condition_on_a_key_that_the_command_line_fixes_is_settled(
    losses: str, keys: list[str]
) -> None:
    params = {"losses": "choice([], [a])", "weight": "interval(0.0, 1.0)", "rate": "1,2"}
    space, _ = read_space(params, {"weight": {"losses": "b"}}, [f"losses={losses}"])
    assert sorted(as_texts(space)) == keys


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


def test_a_trial_that_cannot_begin_fails_with_its_reason(
    prepared: Prepare, tmp_path: Path
) -> None:
    def gone(config: Config, context: RunContext) -> Any:
        raise DataError("The labels are gone.")

    run_hydra(gone, prepared(*SEARCH, RATE, "hydra.sweeper.n_trials=1"))
    (trial,) = find_study(tmp_path / "multirun" / "learning_rate").trials
    assert (trial.state.name, trial.user_attrs["error"]) == ("FAIL", "The labels are gone.")


def test_a_study_is_found_from_any_folder(
    prepared: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = "hydra.sweeper.storage=sqlite:///optuna.db"
    trained(prepared, RATE, "hydra.sweeper.n_trials=1", storage)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    folder = tmp_path / "multirun" / "learning_rate"
    assert len(find_study(folder).trials) == 1
    (tmp_path / "optuna.db").unlink()
    with pytest.raises(ConfigError, match=r"there is no .*optuna\.db"):
        find_study(folder)
    assert not list(elsewhere.iterdir())


def test_what_the_report_advises_needs_no_file_of_ranges(
    prepared: Prepare, tmp_path: Path
) -> None:
    (tmp_path / "mine" / "sweeps").mkdir(parents=True)
    (tmp_path / "mine" / "sweeps" / "rates.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /hydra/sweeper: litpose_optuna\n"
        "training:\n  max_epochs: 7\n"
        "hydra:\n  sweeper:\n    params:\n"
        "      training.optimizer_params.learning_rate: 0.001,0.002\n"
    )
    where = ("--config-dir", str(tmp_path / "mine"), "+sweeps=rates", "hydra.sweeper.n_trials=1")
    ((_, context),) = trained(prepared, *where, "tracking.uri=postgresql://ann:secret@host/db")
    assert "tracking.uri=postgresql://ann:***@host/db" in context.overrides
    found = findings_of(find_study(tmp_path / "multirun" / "rates"))
    command = command_for(found, found.configurations[0])
    assert "secret" not in command
    assert "training.max_epochs=7" in shlex.split(command)
    assert "sweeps=" not in command


def test_a_half_trained_trial_resumes_in_its_folder(prepared: Prepare) -> None:
    def stop(config: Config, context: RunContext) -> Any:
        (context.run_dir / "config.yaml").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_hydra(stop, prepared(*SEARCH, RATE, "hydra.sweeper.n_trials=2"))
    again, new = [c for _, c in trained(prepared, RATE, "hydra.sweeper.n_trials=2")]
    assert (again.resumed, again.run_dir.name, again.job) == (True, "0", 1)
    assert (new.resumed, new.run_dir.name, new.job) == (False, "2", 2)


def test_ranges_that_are_not_searched_are_said(prepared: Prepare) -> None:
    assert any("add -m" in note for note in prepared("data=toy", "+sweeps=loss_weights").notes)


def test_settings_of_a_search_are_checked_with_everything_else(complaint: Message) -> None:
    assert "must be one of tpe" in complaint(*SEARCH, RATE, "hydra.sweeper.sampler=best")
    assert "There is nothing to search" in complaint(*SEARCH)
    whole = complaint(*SEARCH, "training.max_epochs=interval(300, 900)")
    assert "must be a whole number" in whole
    assert "write the names out" in complaint(*SEARCH, "model=glob(*)")
    assert "write KEY: VALUES" in complaint(*SEARCH, RATE, "hydra.sweeper.params=5")
    seeds = complaint(*SEARCH, "training.rng_seed_model_pt=0,1", "hydra.sweeper.repeat_best=1")
    assert "set hydra.sweeper.repeat_best=0" in seeds
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
