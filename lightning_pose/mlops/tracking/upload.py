"""Uploading what a failing store did not take."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.contracts.errors import LitposeError, TrainingError
from lightning_pose.contracts.passwords import without_passwords
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord
from lightning_pose.mlops.tracking.items import Artifact, End, now_ms
from lightning_pose.mlops.tracking.open_run import open_run
from lightning_pose.mlops.tracking.spool import NAME, Spool, read_spool
from lightning_pose.training.run_lock import locked


@dataclass(frozen=True, kw_only=True)
class Upload:
    """What became of a spool.

    Attributes:
        run_dir: the folder it lies in.
        mlflow_run: id of the run in the store; empty if nothing was uploaded.
        missing: files that were to be stored and are gone.
        failed: why nothing, or not all, was uploaded; empty if the store holds the run.
    """

    run_dir: Path
    mlflow_run: str = ""
    missing: tuple[Path, ...] = ()
    failed: str = ""


def find_spools(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the spools in the folders and below them."""
    for folder in folders:
        yield from sorted(folder.rglob(NAME))


def upload(spool: Path) -> Upload:
    """Write the run of a spool to its store and delete the spool; all of it, and only once.

    What the store has already stays as it is: metrics, files, inputs and the model are compared
    or replaced, so an upload that was cut short may be repeated. A run whose process was killed
    is closed as interrupted.
    """
    run_dir = spool.parent
    try:
        with locked(run_dir):
            return _upload(spool)
    except TrainingError:
        return Upload(run_dir=run_dir, failed="its training still runs")
    except LitposeError as error:
        return Upload(run_dir=run_dir, failed=without_passwords(str(error)))
    except Exception as error:  # whatever a store or its drivers raise
        text = str(error).strip() or type(error).__name__
        return Upload(run_dir=run_dir, failed=without_passwords(text.splitlines()[0]))


def _upload(spool: Path) -> Upload:
    run_dir = spool.parent
    if not spool.exists():  # another process uploaded it meanwhile
        return Upload(run_dir=run_dir)
    place, start, items = read_spool(spool)
    ends = [item for item in items if isinstance(item, End)]
    items = [item for item in items if not isinstance(item, End)]
    opened = open_run(place, start)
    opened.write([*items, ends[-1] if ends else End("interrupted", now_ms())])
    _note_identity(run_dir, {"uri": place.uri, "experiment": start.experiment}, opened.run_id)
    Spool(spool).remove()
    missing = [i.path for i in items if isinstance(i, Artifact) and not i.path.is_file()]
    return Upload(run_dir=run_dir, mlflow_run=opened.run_id, missing=tuple(missing))


def _note_identity(run_dir: Path, store: dict[str, str], run_id: str) -> None:
    path = run_dir / RUN_FILE
    if path.exists():
        record = RunRecord.read(path)
        tracking = {**store, "run_id": run_id}
        dataclasses.replace(record, tracking=tracking).write(path)
