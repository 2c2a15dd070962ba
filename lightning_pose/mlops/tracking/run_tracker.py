"""One run in the tracking store, from the training's side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning_pose.config.schema import TrackingConfig
from lightning_pose.contracts.passwords import without_passwords
from lightning_pose.mlops.tracking.items import Artifact, Inputs, Metrics, TrainedModel, now_ms
from lightning_pose.mlops.tracking.spool import Spool
from lightning_pose.mlops.tracking.store import RunStart, StorePlace
from lightning_pose.mlops.tracking.writer import Identity, StoreWriter


class RunTracker:
    """A run that is recorded, or, without a writer, one that is not.

    Args:
        writer: None = nothing is recorded.
    """

    def __init__(self, writer: StoreWriter | None) -> None:
        # late: commands that only read the store need not wait for Lightning
        from lightning_pose.mlops.tracking.curves import TrackingCurves

        self._writer = writer
        self.logger = TrackingCurves(writer)

    @property
    def identity(self) -> Identity:
        """Return ``uri``, ``experiment`` and ``run_id``; empty until they are known."""
        return dict(self._writer.identity) if self._writer else {}

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Record numbers; returns at once."""
        if self._writer is not None:
            self._writer.put(Metrics({k: float(v) for k, v in metrics.items()}, step, now_ms()))

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Store a file, as it is when its turn comes; returns at once."""
        if self._writer is not None:
            self._writer.put(Artifact(path, folder))

    def log_inputs(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """Record what the run is made from: name -> path, sha256 and more; returns at once."""
        if self._writer is not None:
            self._writer.put(Inputs({name: dict(entry) for name, entry in entries.items()}))

    def log_model(self, run_dir: Path) -> None:
        """Store the best checkpoint as a model that predicts; returns at once."""
        if self._writer is not None:
            self._writer.put(TrainedModel(run_dir))

    def finish(self, outcome: str) -> tuple[str, ...]:
        """End the run: finished, failed or interrupted; return warnings for the user."""
        self.logger.hand_over_last()
        return self._writer.finish(outcome) if self._writer else ()


def start_tracking(
    wishes: TrackingConfig,
    *,
    experiment: str,
    run_name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    spool: Path,
    resume_id: str | None = None,
    on_open: Callable[[Identity], None] | None = None,
) -> RunTracker:
    """Begin to record a run and return at once; the store is opened in the background.

    Args:
        wishes: the section ``tracking`` of the configuration.
        experiment: name of the group of runs.
        run_name: name of the run.
        params: the configuration, nested.
        tags: what the run can be searched by.
        spool: file that keeps the run until the store holds it.
        resume_id: MLflow id of the run to carry on.
        on_open: is told ``uri``, ``experiment`` and ``run_id`` when they are known.
    """
    if not wishes.enabled:
        return RunTracker(None)
    writer = StoreWriter(
        StorePlace.choose(uri=wishes.uri, artifact_dir=wishes.artifact_dir, cwd=Path.cwd()),
        RunStart(
            experiment=experiment,
            name=run_name,
            params=flat(params),
            tags=tags,
            resume_id=resume_id,
        ),
        spool=Spool(spool),
        flush_s=wishes.flush_s,
        system=wishes.system_metrics,
        on_open=on_open,
    )
    tracker = RunTracker(writer)
    writer.start()
    return tracker


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as dotted keys with texts; empty sections and nulls are left out.

    Passwords in URLs are hidden.

    Example:
        >>> flat({"data": {"csv_file": "a.csv", "bbox_file": None}})
        {'data.csv_file': 'a.csv'}
    """
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif value is not None and value != []:
            found[f"{prefix}{key}"] = without_passwords(str(value))
    return found
