"""Where studies are kept: a journal file, SQLite, or a database server."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.passwords import without_passwords
from lightning_pose.contracts.sweeps import SQLITE
from lightning_pose.mlops.sweeps.locks import JournalLock, alone

BUSY_S = 60.0
ATTEMPTS = 6
T = TypeVar("T")
_logger = logging.getLogger(__name__)

optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_storage(url: str) -> BaseStorage:
    """Return the storage under a URL of SQLAlchemy, or in a journal file; made if need be.

    Raises:
        ConfigError: it cannot be opened; the message says why.
        WriteError: the folder of the file cannot be written.
    """
    if "://" not in url:
        return _journal(Path(url))
    try:
        return patiently(lambda: _database(url))
    except (SQLAlchemyError, StorageInternalError, ImportError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        sentence = (
            f"The store of the sweep (hydra.sweeper.storage = {url}) cannot be opened: {reason}. "
            "Mend it, or leave the key out for a file in the sweep's folder."
        )
        raise ConfigError(without_passwords(sentence)) from error


def patiently(call: Callable[[], T]) -> T:
    """Return what ``call`` returns, after some more attempts if the storage is busy or away."""
    for attempt in range(ATTEMPTS):
        try:
            return call()
        except (DBAPIError, StorageInternalError) as error:
            if attempt == ATTEMPTS - 1:
                raise
            _logger.info("The store of the sweep does not answer (%s).", error)
            time.sleep(0.2 * 2**attempt)
    raise AssertionError("unreachable")


def _journal(path: Path) -> BaseStorage:
    path = path.absolute()
    lock = JournalLock(path)
    with alone(path.with_name(f".{path.name}.opening")):
        lock.acquire()  # mends the end of the file
        lock.release()
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _database(url: str) -> BaseStorage:
    if not url.startswith(SQLITE):
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    path = Path(url.removeprefix(SQLITE)).absolute()
    with alone(path.with_name(f".{path.name}.opening")):
        storage = RDBStorage(
            f"{SQLITE}{path}", engine_kwargs={"connect_args": {"timeout": BUSY_S}}
        )
    _wait_for_turns(storage.engine)
    return storage


def _wait_for_turns(engine: Engine) -> None:
    """Let every transaction take the file at its start.

    By default two that have begun to read and then want to write fail at once, and both may take
    the same waiting trial.
    """

    def on_connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    with contextlib.suppress(SQLAlchemyError):
        engine.dispose()
