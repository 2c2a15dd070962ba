"""A study on a real PostgreSQL server, shared by processes; skipped where none is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import searching
from optuna.trial import TrialState
from searching import process, trials_of

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.mlops.sweeps.storage import open_storage
from lightning_pose.mlops.sweeps.study import find_study
from tests.servers import postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Yield the URL of a server of our own."""
    with postgres() as server:
        yield server.uri


@pytest.mark.long
@pytest.mark.timeout(900)
def test_processes_share_a_study_on_a_server(server: str, tmp_path: Path) -> None:
    workers = [process(tmp_path, 12, server) for _ in range(4)]
    errors = [worker.communicate(timeout=800)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, errors
    trials = trials_of(tmp_path)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 12
    assert [trial.number for trial in trials] == list(range(12))
    assert len({str(trial.params) for trial in trials}) == 12


def test_a_dead_trial_on_a_server_is_carried_on(server: str, tmp_path: Path) -> None:
    storage = server.replace("/postgres", "/template1")

    def dies_once(attempt: searching.Attempt, trial: searching.RunningTrial) -> None:
        if attempt.number == 1:
            raise RuntimeError("the job is gone")
        searching.curve(attempt, trial)

    searching.search(tmp_path, dies_once, n_trials=3, storage=storage)
    trials = find_study(tmp_path).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[1].user_attrs["retried_as"] == 2


def test_a_server_that_is_not_there_is_told(server: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be\s+opened"):
        open_storage("postgresql+psycopg://lab@127.0.0.1:1/postgres?connect_timeout=1")
