"""Servers that tests start as ordinary programs, and stop."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENT = 120.0
NOBODY = "65534"  # PostgreSQL refuses to run as root
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
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(f"{server.uri}/health", process)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait(PATIENT)


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run Debian's PostgreSQL in a folder; yield the URI of an empty database.

    The test is skipped where it is not installed.
    """
    found = sorted(Path(DEBIAN).glob("*/bin"))
    if not found:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    port, data = free_port(), folder / "postgres"
    data.mkdir()
    as_nobody = []
    if os.geteuid() == 0:
        as_nobody = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
        shutil.chown(data, int(NOBODY), int(NOBODY))
        for parent in data.parents:  # the folders of a test are closed to others
            if parent.owner() == "root" and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    initdb = [*as_nobody, str(found[-1] / "initdb"), "-D", str(data), "-U", "lab", "-A", "trust"]
    subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, cwd="/")
    command = [*as_nobody, str(found[-1] / "postgres"), "-D", str(data), "-p", str(port)]
    command += ["-c", f"unix_socket_directories={data}", "-c", "listen_addresses=127.0.0.1"]
    process = subprocess.Popen(
        command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        _wait_for_port(port, process)
        yield f"postgresql+psycopg://lab@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(PATIENT)


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


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENT
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError("PostgreSQL did not start")
