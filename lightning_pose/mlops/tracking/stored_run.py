"""A run directory of a run that is known by its id in the tracking store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_pose.contracts.errors import DataError, ModelError
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord
from lightning_pose.mlops.tracking.store import RUN_TAG, StorePlace, open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

FILES = ("config.yaml", RUN_FILE, "code.patch", "splits.csv", "metrics.json", "predictions.csv")
_ID = re.compile(r"[0-9a-f]{32}")


def is_run_id(text: str) -> bool:
    """Tell whether a text has the form of a run's id, in the store or in run.json."""
    return _ID.fullmatch(text) is not None


def find_run(client: MlflowClient, run_id: str) -> Run | None:
    """Return a run by MLflow's id or the one in its run.json; None if the store has none."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        same = client.search_runs(experiments, f"tags.`{RUN_TAG}` = '{run_id}'", max_results=1)
        return same[0] if same else None


def run_dir_of(run_id: str, folder: Path, *, tracking_uri: str | None = None) -> Path:
    """Return the run directory of a run, or ``folder`` with what the store kept of it.

    Args:
        run_id: MLflow's, or the one in run.json.
        folder: filled where the run directory is gone or lies on another machine.
        tracking_uri: of the store; None = MLFLOW_TRACKING_URI, else ``./mlflow.db``.

    Raises:
        ModelError: there is no such store or run, or nothing was kept of it.
    """
    place = StorePlace.choose(uri=tracking_uri, artifact_dir=None, cwd=Path.cwd())
    if place.database is not None and not place.database.is_file():
        raise ModelError(
            f"There is no tracking store {place.database} to look the run {run_id} up in. Name "
            "one with --tracking-uri or MLFLOW_TRACKING_URI, or give the run's folder."
        )
    client = open_client(place)
    run = find_run(client, run_id)
    if run is None:
        raise ModelError(
            f"The store {place.uri} has no run {run_id}. Name another with --tracking-uri, or "
            "give the run's folder."
        )
    there = Path(run.data.tags.get("run_dir", ""))
    if _is_of(there, run.data.tags.get(RUN_TAG, "")):
        return there
    folder.mkdir(parents=True, exist_ok=True)
    for item in client.list_artifacts(run.info.run_id):
        if item.path in FILES or item.path.startswith("predictions"):
            client.download_artifacts(run.info.run_id, item.path, str(folder))
    if not (folder / RUN_FILE).is_file():
        raise ModelError(
            f"The store {place.uri} keeps no run.json of the run {run_id}, which was cut short "
            "perhaps. Give the run's folder, if there is one."
        )
    return folder


def _is_of(run_dir: Path, run_id: str) -> bool:
    try:
        return RunRecord.read(run_dir / RUN_FILE).run_id == run_id
    except DataError:
        return False
