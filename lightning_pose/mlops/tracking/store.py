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

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
LONGEST_PARAM = 500
LONGEST_TAG = 5000
BATCH = 1000  # metrics MLflow takes at once
PARAMS_AT_ONCE = 100
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


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

        A bare ``mlflow ui`` in ``cwd`` finds the default.
        """
        if uri is None:
            uri = f"{SQLITE}{cwd / 'mlflow.db'}"
        elif uri.startswith(SQLITE):
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


class OpenRun:
    """A run in an open store.

    Args:
        client: of the store.
        run_id: MLflow's.
        experiment: name.
    """

    def __init__(self, client: MlflowClient, run_id: str, experiment: str) -> None:
        self.client = client
        self.run_id = run_id
        self.experiment = experiment

    def log_metrics(self, points: list[tuple[str, float, int, int]]) -> None:
        """Write (name, value, step, time in ms) points."""
        from mlflow.entities import Metric

        for start in range(0, len(points), BATCH):
            metrics = [
                Metric(name, value, stamp, step)
                for name, value, step, stamp in points[start : start + BATCH]
            ]
            self.client.log_batch(self.run_id, metrics=metrics)

    def log_artifact(self, path: Path, folder: str | None) -> None:
        """Copy a file into the store."""
        self.client.log_artifact(self.run_id, str(path), folder)

    def end(self, status: str, outcome: str) -> None:
        """Close the run."""
        self.client.set_tag(self.run_id, "outcome", outcome)
        self.client.set_terminated(self.run_id, status)


def open_run(place: StorePlace, start: RunStart) -> OpenRun:
    """Return a new run in the store, or the one to carry on; the store is made if need be."""
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with _alone(place.database):
        client = MlflowClient(tracking_uri=place.uri)
        experiment_id = _experiment(client, place, start.experiment)
    run_id = start.resume_id and _carry_on(client, start.resume_id)
    if not run_id:
        tags = {key: value[:LONGEST_TAG] for key, value in start.tags.items() if value}
        run_id = client.create_run(experiment_id, run_name=start.name, tags=tags).info.run_id
        _log_params(client, run_id, start.params)
    return OpenRun(client, run_id, start.experiment)


def _experiment(client: MlflowClient, place: StorePlace, name: str) -> str:
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


def _carry_on(client: MlflowClient, run_id: str) -> str | None:
    from mlflow.exceptions import MlflowException

    try:
        client.get_run(run_id)
        client.update_run(run_id, status="RUNNING")
    except MlflowException:
        return None
    return run_id


def _log_params(client: MlflowClient, run_id: str, params: Mapping[str, str]) -> None:
    from mlflow.entities import Param

    entities = [Param(key, value[:LONGEST_PARAM]) for key, value in params.items()]
    for start in range(0, len(entities), PARAMS_AT_ONCE):
        client.log_batch(run_id, params=entities[start : start + PARAMS_AT_ONCE])


@contextlib.contextmanager
def _alone(database: Path | None) -> Iterator[None]:
    """Hold a lock beside the database: processes that make its tables at once would crash."""
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f".{database.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
