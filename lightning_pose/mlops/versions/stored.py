"""Runs as the tracking store keeps them, found by either of their ids."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord
from lightning_pose.mlops.tracking.store import RUN_TAG, StorePlace, open_client
from lightning_pose.mlops.tracking.stored_run import find_run


def stored_run(place: StorePlace, run_id: str) -> tuple[RunRecord, Path | None] | None:
    """Return the record of a run and where its directory was; None if the store has no such run.

    What ``run.json`` says is taken from the store's copy, as far as that got there.

    Args:
        place: of the store, which exists.
        run_id: the store's id, or the run's own.
    """
    client = open_client(place)
    from mlflow.exceptions import MlflowException

    run = find_run(client, run_id)
    if run is None:
        return None
    tags = run.data.tags
    folder = Path(tags["run_dir"]) if "run_dir" in tags else None
    with tempfile.TemporaryDirectory() as scratch:
        try:
            client.download_artifacts(run.info.run_id, RUN_FILE, scratch)
            return RunRecord.read(Path(scratch) / RUN_FILE), folder
        except (MlflowException, OSError, DataError):  # a run that was cut short has none
            tracking = {"uri": place.uri, "run_id": run.info.run_id}
            own = tags.get(RUN_TAG, run.info.run_id)
            return RunRecord(
                run_id=own, outcome=tags.get("outcome", ""), tracking=tracking
            ), folder
