"""A study on a real PostgreSQL server, shared by processes; skipped where none is installed."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import searching
from optuna.trial import TrialState
from searching import process, trials_of

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.mlops.sweeps.storage import open_storage
from lightning_pose.mlops.sweeps.study import find_study

OTHER_THAN_ROOT = ("postgres", "nobody")  # PostgreSQL refuses to run as root


def program(name: str) -> str:
    """Return the path of one of the server's programs; Debian keeps them off the path."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    if found is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    return found


def owner() -> str:
    """Return the user that the server is to run as."""
    if os.geteuid():
        return getpass.getuser()
    known = {user.pw_name for user in pwd.getpwall()}
    return next(name for name in OTHER_THAN_ROOT if name in known)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Yield the URL of a server of our own."""
    pytest.importorskip("psycopg", reason="needs the extra postgres")
    init, control = program("initdb"), program("pg_ctl")
    user = owner()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="litpose-pg-", dir="/tmp"))
    if not os.geteuid():
        shutil.chown(folder, user)
    data, log = folder / "data", folder / "log"

    def run(*words: str) -> None:
        as_user = {"user": user} if not os.geteuid() else {}
        subprocess.run(words, cwd=folder, check=True, timeout=120, **as_user)

    listen = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder}"
    run(init, "-D", str(data), "-A", "trust", "-U", "mice", "--no-sync")
    run(control, "-D", str(data), "-l", str(log), "-o", listen, "-w", "start")
    try:
        yield f"postgresql+psycopg://mice@127.0.0.1:{port}/postgres"
    finally:
        run(control, "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder)


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
        open_storage("postgresql+psycopg://mice@127.0.0.1:1/postgres?connect_timeout=1")
