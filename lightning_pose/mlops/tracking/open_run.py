"""A run in an open store, and what is written to it; writing anything twice changes nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_pose.mlops.tracking.items import (
    Artifact,
    End,
    Inputs,
    Item,
    Metrics,
    TrainedModel,
)
from lightning_pose.mlops.tracking.store import (
    RunStart,
    StorePlace,
    find_or_create_run,
    open_client,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000  # metrics MLflow takes at once
STATUS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class StoreGoneError(OSError):
    """The database file was deleted or replaced while a run was written to it."""


class OpenRun:
    """A run in an open store.

    Args:
        client: of the store.
        place: of the store.
        experiment: its name and id.
        run_id: MLflow's.
    """

    def __init__(
        self, client: MlflowClient, place: StorePlace, experiment: tuple[str, str], run_id: str
    ) -> None:
        self.client = client
        self.run_id = run_id
        self.experiment, self.experiment_id = experiment
        self._place = place
        self._inode = _inode(place)

    def write(self, items: Sequence[Item]) -> None:
        """Write the items, an end last."""
        if _inode(self._place) != self._inode:
            raise StoreGoneError(f"{self._place.database} was deleted or replaced")
        self._metrics([item for item in items if isinstance(item, Metrics)])
        for item in items:
            if isinstance(item, Inputs):
                self._inputs(item.entries)
            elif isinstance(item, Artifact) and item.path.is_file():
                self.client.log_artifact(self.run_id, str(item.path), item.folder)
            elif isinstance(item, TrainedModel):
                self._model(item.run_dir)
        for item in items:
            if isinstance(item, End):
                self.client.set_tag(self.run_id, "outcome", item.outcome)
                status = STATUS.get(item.outcome, "FAILED")
                self.client.set_terminated(self.run_id, status, end_time=item.time_ms)

    def _metrics(self, items: Sequence[Metrics]) -> None:
        from mlflow.entities import Metric

        points = dict.fromkeys(
            (name, value, item.time_ms, item.step)
            for item in items
            for name, value in item.values.items()
            if math.isfinite(value)
        )
        metrics = [Metric(*point) for point in points]
        for start in range(0, len(metrics), BATCH):
            self.client.log_batch(self.run_id, metrics=metrics[start : start + BATCH])

    def _inputs(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = []
        for name, entry in entries.items():
            digest = str(entry.get("sha256", ""))
            source = {"uri": str(entry.get("path") or entry.get("root") or "")}
            dataset = Dataset(
                name=name,
                digest=digest[:36],  # as long as MLflow lets it be; the whole is in the profile
                source_type="local",
                source=json.dumps(source),
                profile=json.dumps(dict(entry)),
            )
            context = InputTag("mlflow.data.context", str(entry.get("context", "training")))
            inputs.append(DatasetInput(dataset, [context]))
        self.client.log_inputs(self.run_id, inputs)

    def _model(self, run_dir: Path) -> None:
        from lightning_pose.mlops.registry.packing import log_model

        log_model(self.client, self.experiment_id, self.run_id, run_dir)


def open_run(place: StorePlace, start: RunStart) -> OpenRun:
    """Return a new run in the store, or the one to carry on; the store is made if need be."""
    client = open_client(place)
    experiment_id, run_id = find_or_create_run(client, place, start)
    return OpenRun(client, place, (start.experiment, experiment_id), run_id)


def _inode(place: StorePlace) -> int | None:
    if place.database is None:
        return None
    return place.database.stat().st_ino if place.database.exists() else -1
