"""The MLflow store: where it is, opening it, writing to it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_pose.contracts.passwords import HIDDEN, without_passwords

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
RUN_TAG = "litpose.run_id"
LONGEST_PARAM = 500
LONGEST_TAG = 5000
PARAMS_AT_ONCE = 100
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


@dataclass(frozen=True, kw_only=True)
class StorePlace:
    """Where runs are recorded.

    Attributes:
        uri: MLflow tracking URI; a sqlite path is absolute.
        artifacts: URI of the folder for files; empty lets a server decide.
    """

    uri: str
    artifacts: str

    @classmethod
    def choose(cls, *, uri: str | None, artifact_dir: str | None, cwd: Path) -> StorePlace:
        """Return the place named in a configuration; by default ``mlflow.db`` and ``mlruns/``.

        The variable MLFLOW_TRACKING_URI names another default, as it does for MLflow's own
        commands. A bare ``mlflow ui`` in ``cwd`` finds the default. A password that was hidden
        is taken from that variable, or left to what the driver knows (``~/.pgpass``).
        """
        default = os.environ.get("MLFLOW_TRACKING_URI")
        if uri is not None and HIDDEN in uri:  # of a run's config.yaml
            same = default is not None and without_passwords(default) == uri
            uri = default if same else uri.replace(f":{HIDDEN}@", "@")
        uri = uri or default or f"{SQLITE}mlflow.db"
        if uri.startswith(SQLITE):
            uri = f"{SQLITE}{cwd / uri.removeprefix(SQLITE)}"
        is_server = uri.startswith(("http://", "https://", "databricks"))
        if is_server and artifact_dir is None:
            return cls(uri=uri, artifacts="")
        return cls(uri=uri, artifacts=(cwd / (artifact_dir or "mlruns")).as_uri())

    @property
    def database(self) -> Path | None:
        """Return the sqlite file, None for other stores."""
        return Path(self.uri.removeprefix(SQLITE)) if self.uri.startswith(SQLITE) else None


@dataclass(frozen=True, kw_only=True)
class RunStart:
    """What a run begins with.

    Attributes:
        experiment: name of the group of runs.
        name: of the run.
        params: its settings, flat.
        tags: what it can be searched by.
        resume_id: MLflow id of the run to carry on.
    """

    experiment: str
    name: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    resume_id: str | None = None


def open_client(place: StorePlace) -> MlflowClient:
    """Return a client of the store.

    Each write to a sqlite file opens it anew: a file that was deleted meanwhile is an error then,
    where a kept connection would write into the void.
    """
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    if place.database is not None:
        os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with alone(place.database):  # a new client makes the tables
        return MlflowClient(tracking_uri=place.uri)


def find_or_create_run(
    client: MlflowClient, place: StorePlace, start: RunStart
) -> tuple[str, str]:
    """Return the ids of experiment and run; a run of the same ``litpose.run_id`` is carried on."""
    with alone(place.database):
        experiment_id = experiment_named(client, place, start.experiment)
        run_id = _carry_on(client, start, experiment_id)
        if run_id is None:
            tags = {key: value[:LONGEST_TAG] for key, value in start.tags.items() if value}
            run = client.create_run(experiment_id, run_name=start.name, tags=tags)
            run_id = run.info.run_id
    _log_params(client, run_id, start.params)
    return experiment_id, run_id


def experiment_named(client: MlflowClient, place: StorePlace, name: str) -> str:
    """Return the id of an experiment, made if it is not there."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    folder = re.sub(r"[^\w.-]+", "_", name)
    location = f"{place.artifacts}/{folder}" if place.artifacts else None
    try:
        return client.create_experiment(name, artifact_location=location)
    except MlflowException:  # another process made it meanwhile
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return found.experiment_id


def _carry_on(client: MlflowClient, start: RunStart, experiment_id: str) -> str | None:
    """Return the id of the run if the store has it, and let it run again."""
    from mlflow.exceptions import MlflowException

    run_id = None
    if start.resume_id:
        with contextlib.suppress(MlflowException):
            run_id = client.get_run(start.resume_id).info.run_id
    own = start.tags.get(RUN_TAG)
    if run_id is None and own:
        same = client.search_runs([experiment_id], f"tags.`{RUN_TAG}` = '{own}'", max_results=1)
        run_id = same[0].info.run_id if same else None
    if run_id is not None:
        client.update_run(run_id, status="RUNNING")
    return run_id


def _log_params(client: MlflowClient, run_id: str, params: Mapping[str, str]) -> None:
    """Write the settings that the run does not have yet; MLflow lets none be changed."""
    from mlflow.entities import Param

    there = client.get_run(run_id).data.params
    entities = [Param(k, v[:LONGEST_PARAM]) for k, v in params.items() if k not in there]
    for start in range(0, len(entities), PARAMS_AT_ONCE):
        client.log_batch(run_id, params=entities[start : start + PARAMS_AT_ONCE])


@contextlib.contextmanager
def alone(database: Path | None) -> Iterator[None]:
    """Hold a lock beside the database: processes that make its tables at once would crash."""
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f".{database.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
