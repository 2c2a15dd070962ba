"""Servers that tests start as ordinary programs, and stop."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENT = 120.0
OTHER_THAN_ROOT = ("postgres", "nobody")  # PostgreSQL refuses to run as root
DEBIAN = "/usr/lib/postgresql"


@dataclass(frozen=True)
class Server:
    """An MLflow server on this machine."""

    port: int

    @property
    def uri(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def mlflow_server(folder: Path, *, port: int | None = None) -> Iterator[Server]:
    """Run an MLflow server whose store and files are in a folder."""
    folder.mkdir(exist_ok=True)
    server = Server(port or free_port())
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(server.port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "files")]
    alone = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # else nine processes
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env=alone
        )
    try:
        _wait_for(f"{server.uri}/health", process)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait(PATIENT)


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Run Debian's PostgreSQL; the test is skipped where it, or its driver, is not installed."""
    pytest.importorskip("psycopg", reason="needs the extra postgres")
    found = sorted(Path(DEBIAN).glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="litpose-postgres-", dir="/tmp"))  # open to its user
    known = {user.pw_name for user in pwd.getpwall()}
    user = next(name for name in OTHER_THAN_ROOT if name in known) if not os.geteuid() else None
    if user:
        shutil.chown(folder, user)
    server = Postgres(found[-1].parent, folder, user, free_port())
    try:
        server.run("initdb", "-A", "trust", "-U", "lab", "--no-sync")
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server on this machine."""

    programs: Path
    folder: Path
    user: str | None
    port: int

    @property
    def uri(self) -> str:
        """Return the address of its database."""
        return f"postgresql+psycopg://lab@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it."""
        listen = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder}"
        self.run("pg_ctl", "-l", str(self.folder / "log"), "-o", listen, "-w", "start")

    def stop(self) -> None:
        """Stop it at once."""
        self.run("pg_ctl", "-m", "immediate", "stop")

    def run(self, program: str, *words: str) -> None:
        """Run one of its programs on its data."""
        command = [str(self.programs / program), "-D", str(self.folder / "data"), *words]
        subprocess.run(command, cwd=self.folder, check=True, timeout=PATIENT, user=self.user)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + PATIENT
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError), opener.open(address, timeout=5):
            return
        time.sleep(0.2)
    raise RuntimeError(f"{address} does not answer")
