"""A sweep counts, prunes, survives what kills it, and is shared by processes."""

from __future__ import annotations

import fcntl
import math
import random
import re
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
import searching
from optuna.trial import TrialState
from searching import (
    LOSSES,
    RATE,
    SIGNATURE,
    WEIGHT,
    curve,
    process,
    search,
    settings_in,
    trials_of,
)

from lightning_pose.config.run_dirs import claim
from lightning_pose.contracts.errors import ConfigError, TrainingError
from lightning_pose.contracts.search_space import Choice, Parameter, Range
from lightning_pose.contracts.sweeps import SweepSettings, TrialPlace
from lightning_pose.mlops.sweeps.advice import next_steps
from lightning_pose.mlops.sweeps.findings import findings_of
from lightning_pose.mlops.sweeps.locks import Presence
from lightning_pose.mlops.sweeps.page import page_of
from lightning_pose.mlops.sweeps.samplers import grid
from lightning_pose.mlops.sweeps.storage import open_storage
from lightning_pose.mlops.sweeps.study import find_study
from lightning_pose.mlops.sweeps.trial import RunningTrial
from lightning_pose.mlops.sweeps.worker import LOCK, Attempt, Worker

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def states(folder: Path) -> list[str]:
    return [trial.state.name for trial in trials_of(folder)]


def test_a_sweep_has_as_many_trials_as_wanted_each_with_a_folder(tmp_path: Path) -> None:
    done = search(tmp_path)
    assert states(tmp_path) == ["COMPLETE"] * 6
    assert [attempt.folder for attempt in done] == [str(number) for number in range(6)]
    assert search(tmp_path) == []  # the same command once more
    assert len(search(tmp_path, n_trials=8)) == 2


def test_a_parameter_is_drawn_only_where_its_condition_holds(tmp_path: Path) -> None:
    search(tmp_path, n_trials=15, sampler="random")
    drawn = [(trial.params["losses"], "b.weight" in trial.params) for trial in trials_of(tmp_path)]
    assert set(drawn) == {("[]", False), ("[a]", False), ("[a,b]", True)}


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2"])
def test_equal_seeds_draw_equal_trials(tmp_path: Path, sampler: str) -> None:
    drawn = []
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        search(tmp_path / name, sampler=sampler, seed=seed, n_startup_trials=2)
        drawn.append([trial.params for trial in trials_of(tmp_path / name)])
    assert drawn[0] == drawn[1] != drawn[2]


def test_cmaes_searches_numbers(tmp_path: Path) -> None:
    pytest.importorskip("cmaes")
    search(tmp_path, sampler="cmaes", n_startup_trials=2, space=(RATE, LOSSES))
    assert states(tmp_path) == ["COMPLETE"] * 6


def test_a_grid_tries_every_combination_that_matters_once(tmp_path: Path) -> None:
    weight = Parameter(key=WEIGHT.key, values=Range(low=3, high=5), text="", when=WEIGHT.when)
    search(tmp_path, sampler="grid", n_trials=None, space=(LOSSES, weight))
    tried = [(t.params["losses"], t.params.get("b.weight")) for t in trials_of(tmp_path)]
    assert sorted(tried, key=str) == [
        ("[]", None),
        ("[a,b]", 3),
        ("[a,b]", 4),
        ("[a,b]", 5),
        (
            "[a]",
            None,
        ),
    ]
    with pytest.raises(ConfigError, match="has no end of values, which a grid cannot try"):
        grid([RATE])


@pytest.mark.parametrize(("pruner", "expected"), [("median", 4), ("hyperband", 1), ("none", 0)])
def test_a_pruner_ends_trials_that_are_worse(tmp_path: Path, pruner: str, expected: int) -> None:
    search(tmp_path, pruner=pruner, n_startup_trials=2, warmup_epochs=1, max_epochs=4)
    assert states(tmp_path).count("PRUNED") >= expected
    assert (states(tmp_path).count("PRUNED") > 0) == (expected > 0)
    assert states(tmp_path)[0] == "COMPLETE"


def test_patience_ends_a_trial_that_no_longer_gets_better(tmp_path: Path) -> None:
    told: list[bool] = []

    def stall(attempt: Attempt, trial: RunningTrial) -> None:
        values = [9.0, 8.0, 8.5, 8.6, 8.4, 8.3]
        told.extend(trial.report(epoch, px) for epoch, px in enumerate(values, 1))
        trial.pruned()

    search(tmp_path, stall, pruner="patience", patience=2, n_trials=1)
    assert told == [False] * 4 + [True] * 2


def test_no_trial_is_pruned_before_it_may_be_judged(tmp_path: Path) -> None:
    search(tmp_path, n_trials=3)
    settings = settings_in(tmp_path, pruner="median", n_startup_trials=1, n_trials=4)
    with Worker(settings, searching.SPACE, tmp_path, SIGNATURE, claim=claim) as worker:
        (attempt,) = worker.next_attempts()
        place = TrialPlace(settings=settings, number=attempt.number)
        trial = RunningTrial(place, first_judged_epoch=3)
        assert [trial.report(epoch, 99.0) for epoch in (1, 2, 3, 4)] == [False] * 3 + [True]


def test_two_objectives_are_compared_by_both(tmp_path: Path) -> None:
    def both(attempt: Attempt, trial: RunningTrial) -> None:
        trial.complete([10.0 + attempt.number, 10.0 - attempt.number])

    search(tmp_path, both, sampler="nsga2", objective=("val_pixel_error", "predict_ms"))
    found = findings_of(find_study(tmp_path))
    assert [(one.number, one.values) for one in found.unbeaten] == [
        (number, (10.0 + number, 10.0 - number)) for number in range(6)
    ]
    assert "Trials that no other beats" in page_of(found)


def test_a_failing_trial_is_recorded_and_the_sweep_goes_on(tmp_path: Path) -> None:
    def fails_once(attempt: Attempt, trial: RunningTrial) -> None:
        if attempt.number == 1:
            trial.failed("The loss became nan.")
        elif attempt.number == 2:
            trial.complete([float("nan")])
        else:
            curve(attempt, trial)

    search(tmp_path, fails_once)
    assert states(tmp_path) == ["COMPLETE", "FAIL", "FAIL", *["COMPLETE"] * 3]
    assert trials_of(tmp_path)[1].user_attrs["error"] == "The loss became nan."


def test_a_trial_without_an_end_is_carried_on_in_its_folder(tmp_path: Path) -> None:
    def dies_once(attempt: Attempt, trial: RunningTrial) -> None:
        if attempt.number == 1:
            trial.report(1, 20.0)
            trial.report(2, 18.0)
            raise RuntimeError("the job is gone")
        if attempt.number == 2:
            trial.report(2, 18.0)
        curve(attempt, trial)

    done = search(tmp_path, dies_once, n_trials=3)
    dead, again = trials_of(tmp_path)[1:3]
    assert (dead.state, dead.user_attrs["retried_as"]) == (TrialState.FAIL, 2)
    assert again.params == dead.params
    assert again.intermediate_values[1] == 20.0  # of the attempt before, up to where it goes on
    assert [attempt.folder for attempt in done] == ["0", "1", "3"]
    assert states(tmp_path) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]


def test_a_trial_that_died_at_its_end_keeps_its_curve(tmp_path: Path) -> None:
    def dies_at_the_end(attempt: Attempt, trial: RunningTrial) -> None:
        if attempt.number == 0:
            trial.report(1, 20.0)
            trial.report(2, 18.0)
            raise RuntimeError("the job is gone")
        trial.complete([18.0])  # its last checkpoint is that of the last epoch

    search(tmp_path, dies_at_the_end, n_trials=1)
    assert trials_of(tmp_path)[1].intermediate_values == {1: 20.0, 2: 18.0}
    assert findings_of(find_study(tmp_path)).epochs == 2


def test_a_trial_that_always_dies_is_given_up(tmp_path: Path) -> None:
    def dies(attempt: Attempt, trial: RunningTrial) -> None:
        raise MemoryError

    search(tmp_path, dies, n_trials=1, max_retries=2)
    trials = trials_of(tmp_path)
    assert [trial.user_attrs.get("retried_as") for trial in trials] == [1, 2, None]
    assert trials[2].user_attrs["error"] == "its process died 3 times without a new validation"


def test_an_interrupted_sweep_leaves_nothing_running(tmp_path: Path) -> None:
    def stop(attempt: Attempt, trial: RunningTrial) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, stop)
    assert states(tmp_path) == ["FAIL", "WAITING"]
    search(tmp_path)
    assert states(tmp_path).count("COMPLETE") == 6


def test_a_trial_that_was_given_up_is_not_run(tmp_path: Path) -> None:
    search(tmp_path)
    with pytest.raises(TrainingError, match="Trial 2 is not to be run: the sweep has it as COMPL"):
        RunningTrial(TrialPlace(settings=settings_in(tmp_path), number=2))


def test_other_ranges_are_refused_unless_said(tmp_path: Path) -> None:
    search(tmp_path)
    other: dict[str, Any] = {
        "space": {"rate": "choice"},
        "settings": {"data.csv_file": "mine.csv"},
    }
    with pytest.raises(ConfigError) as raised:
        search(tmp_path, signature=other)
    assert str(raised.value) == (
        "The study sweep was begun with other settings (rate was interval; data.csv_file was not "
        "set); name another hydra.sweeper.study_name, or go on in the same one all the same with "
        "hydra.sweeper.accept_changes=true."
    )
    assert len(search(tmp_path, signature=other, accept_changes=True, n_trials=7)) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": "best"}, "must be one of tpe, random, grid, cmaes, nsga2"),
        ({"pruner": "rude"}, "must be one of none, median, hyperband, patience"),
        ({"objective": ("total_loss",)}, "must be one of val_pixel_error, predict_ms"),
        ({"n_trials": 0}, "must be a whole number of at least 1"),
        (
            {"objective": ("val_pixel_error", "predict_ms"), "pruner": "median"},
            "trials with two objectives cannot be pruned",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SweepSettings(**changes)


def test_another_number_of_objectives_is_refused_in_a_sentence(tmp_path: Path) -> None:
    search(tmp_path, n_trials=1)
    with pytest.raises(ConfigError, match="was begun to minimise val_pixel_error"):
        search(tmp_path, objective=("val_pixel_error", "predict_ms"))


def test_trials_of_other_programs_are_not_taken_for_ours(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/other.db"
    study = optuna.create_study(storage=storage, study_name="sweep")
    study.add_trial(optuna.trial.create_trial(value=0.1))
    with pytest.raises(ConfigError, match="was not begun by litpose"):
        search(tmp_path, storage=storage)


def test_a_store_that_cannot_be_opened_is_named_without_its_password() -> None:
    with pytest.raises(ConfigError, match=r"nosuch://ann:\*\*\*@host/db\) cannot be opened"):
        open_storage("nosuch://ann:secret@host/db")


def test_a_torn_line_of_a_killed_writer_is_cut_off(tmp_path: Path) -> None:
    search(tmp_path)
    with (tmp_path / "sweep.journal").open("a") as file:
        file.write('{"op_code":4,"worker')
    assert len(search(tmp_path, n_trials=7)) == 1
    assert states(tmp_path) == ["COMPLETE"] * 7


@pytest.mark.long
def test_processes_killed_at_any_moment_are_carried_on(tmp_path: Path) -> None:
    chance = random.Random(3)
    for _ in range(4):
        victim = process(tmp_path, 12)
        deadline = time.monotonic() + 15
        journal = tmp_path / "sweep.journal"
        size = journal.stat().st_size if journal.exists() else 0
        while time.monotonic() < deadline and victim.poll() is None:
            if journal.exists() and journal.stat().st_size > size + chance.randrange(200, 1500):
                break
            time.sleep(0.01)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
    last = process(tmp_path, 12)
    _, err = last.communicate(timeout=60)
    assert last.returncode == 0, err
    count = Counter(states(tmp_path))
    assert count["COMPLETE"] + count["PRUNED"] == 12
    assert set(count) <= {"COMPLETE", "PRUNED", "FAIL"}
    assert all("retried_as" in t.user_attrs for t in trials_of(tmp_path) if t.state.name == "FAIL")
    alive = [t.user_attrs["run_dir"] for t in trials_of(tmp_path) if t.state in FINISHED]
    assert len(set(alive)) == 12


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (2, "journal"),
        pytest.param(2, "sqlite", marks=pytest.mark.long),
        pytest.param(8, "journal", marks=pytest.mark.long),
        pytest.param(4, "sqlite", marks=pytest.mark.long),
    ],
)
def test_processes_that_start_at_once_share_a_study(
    tmp_path: Path, number: int, kind: str
) -> None:
    store = {"journal": [], "sqlite": [f"sqlite:///{tmp_path / 'optuna.db'}"]}[kind]
    workers = [process(tmp_path, 12, *store) for _ in range(number)]
    errors = [worker.communicate(timeout=250)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers), errors
    trials = trials_of(tmp_path)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 12
    assert len({str(trial.params) for trial in trials}) == 12
    assert len({trial.user_attrs["run_dir"] for trial in trials}) == 12


def test_a_worker_has_left_when_the_next_one_asks_who_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone_when_leaving: list[bool] = []
    leave = Presence.leave

    def look(self: Presence) -> None:
        with (tmp_path / LOCK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone_when_leaving.append(False)
            except BlockingIOError:
                alone_when_leaving.append(True)
        leave(self)

    monkeypatch.setattr(Presence, "leave", look)
    search(tmp_path, n_trials=1)
    assert alone_when_leaving[0]


def test_findings_group_seeds_and_name_what_to_try_next(tmp_path: Path) -> None:
    seed = Parameter(key="training.rng_seed_model_pt", values=Range(low=0, high=3), text="0,1,2,3")
    size = Parameter(key="size", values=Range(low=1, high=3), text="range")

    def by_size(attempt: Attempt, trial: RunningTrial) -> None:
        params = trial.params
        value = 20.0 - 4 * params["size"] + params["training.rng_seed_model_pt"]
        trial.report(1, value)
        trial.complete([value])

    search(tmp_path, by_size, sampler="grid", n_trials=None, space=(seed, size))
    found = findings_of(find_study(tmp_path))
    best = found.configurations[0]
    assert (best.params, best.mean_px) == ({"size": 3}, 9.5)
    assert best.errors_px == (8.0, 9.0, 10.0, 11.0)
    assert best.spread_px == pytest.approx(1.291, abs=1e-3)
    assert max(found.importance, key=lambda key: found.importance[key]) == "size"
    assert any("The best size (3) lies at the end of its range" in s for s in next_steps(found))
    page = page_of(found)
    assert "9.50 px &plusmn; 1.29 px over 4 seeds" in page
    assert page.count("<svg") == 2  # error against the settings, and what mattered
    assert not re.search(r"(src|href)=\"?http", page)  # one file that needs no other


def test_a_page_of_an_empty_sweep_says_so(tmp_path: Path) -> None:
    with Worker(settings_in(tmp_path), searching.SPACE, tmp_path, SIGNATURE, claim=claim):
        pass
    assert "No trial is complete yet." in page_of(findings_of(find_study(tmp_path)))


def test_a_folder_that_is_no_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no folder of a sweep: it has no sweep\.json"):
        find_study(tmp_path)


def test_a_sweep_that_was_moved_is_found(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    search(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    assert isinstance(find_study(tmp_path / "new"), optuna.Study)


def test_other_choices_are_refused_whatever_is_said(tmp_path: Path) -> None:
    search(tmp_path)
    fewer = Parameter(key="losses", values=Choice(values=("[]", "[a]")), text="fewer")
    with pytest.raises(ConfigError, match="losses = fewer cannot be searched in the study sweep"):
        search(tmp_path, space=(RATE, fewer), accept_changes=True)


def test_wider_ranges_go_on_in_the_same_study_if_said(tmp_path: Path) -> None:
    search(tmp_path, space=(RATE,))
    wider = Parameter(key="rate", values=Range(low=1e-6, high=1.0, log=True), text="wider")
    other = {"space": {"rate": "wider"}, "settings": {}}
    done = search(tmp_path, space=(wider,), signature=other, accept_changes=True, n_trials=9)
    assert len(done) == 3


def test_the_best_configuration_is_repeated_with_other_seeds(tmp_path: Path) -> None:
    def by_seed(attempt: Attempt, trial: RunningTrial) -> None:
        seeds = [text for text in attempt.overrides if text.startswith("training.rng_seed")]
        value = 12.0 if seeds else 10.0 + attempt.number
        assert not any(trial.report(epoch, 99.0 if seeds else value) for epoch in (1, 2, 3, 4))
        trial.complete([value])

    settings = {"repeat_best": 2, "pruner": "median", "n_startup_trials": 3}
    done = search(tmp_path, by_seed, n_trials=3, **settings)
    assert [attempt.overrides[-1] for attempt in done[3:]] == [
        "training.rng_seed_model_pt=101",
        "training.rng_seed_model_pt=102",
    ]
    best = next(c for c in findings_of(find_study(tmp_path)).configurations if 0 in c.trials)
    assert best.errors_px == (10.0, 12.0, 12.0)
    assert search(tmp_path, by_seed, n_trials=3, **settings) == []


def test_pruned_trials_count_in_what_mattered(tmp_path: Path) -> None:
    noise = Parameter(key="noise", values=Range(low=0.0, high=1.0), text="noise")

    def by_rate(attempt: Attempt, trial: RunningTrial) -> None:
        value = 10 + 5 * abs(math.log10(trial.params["rate"]) + 2)
        trial.report(1, value)
        trial.pruned() if value > 13 else trial.complete([value])

    search(tmp_path, by_rate, space=(RATE, noise), sampler="random", n_trials=24)
    assert states(tmp_path).count("PRUNED") > 8
    found = findings_of(find_study(tmp_path))
    assert found.importance["rate"] > 0.6 > found.importance["noise"]


def test_progress_with_two_objectives_is_no_fruitless_death(tmp_path: Path) -> None:
    def dies(attempt: Attempt, trial: RunningTrial) -> None:
        if attempt.number < 5:
            assert not trial.report(attempt.number + 1, 9.0)
            raise RuntimeError("the job is gone")
        trial.complete([1.0, 2.0])

    both = ("val_pixel_error", "predict_ms")
    search(tmp_path, dies, n_trials=1, max_retries=1, objective=both)
    assert states(tmp_path) == [*["FAIL"] * 5, "COMPLETE"]
