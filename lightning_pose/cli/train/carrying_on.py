"""Whether a run that was interrupted can be carried on as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning_pose.cli.train.recorded_run import FINISHED
from lightning_pose.contracts.errors import DataError, TrainingError
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord


def check_resumable(run_dir: Path, data: Mapping[str, dict[str, Any]]) -> None:
    """Refuse a run that cannot be carried on, before anything of it is written to.

    Args:
        run_dir: of the run.
        data: hashes of what it would learn from now.

    Raises:
        DataError: its data is no longer the same.
        TrainingError: its last checkpoint is lost.
    """
    if (run_dir / RUN_FILE).exists():
        before = RunRecord.read(run_dir / RUN_FILE)
        _check_can_go_on(before, run_dir)
        _check_same_data(before.data, data, run_dir)


def _check_can_go_on(before: RunRecord, run_dir: Path) -> None:
    """Refuse to train a finished run from the start, over its own results.

    Raises:
        TrainingError: the state to carry on from is lost.
    """
    last = run_dir / "checkpoints" / "last.ckpt"
    if before.outcome == FINISHED and not last.exists():
        raise TrainingError(
            f"{run_dir} was trained to its end, but {last.name} is gone, so it cannot be carried "
            f"on. Start a new training from its weights: model.checkpoint={run_dir}"
        )


def _check_same_data(
    before: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]], run_dir: Path
) -> None:
    """Refuse to carry a training on with other labels, images or videos than it began with.

    Raises:
        DataError: some have changed since.
    """
    changed = [
        change
        for name, entry in now.items()
        if name in before
        for change in changes(name, before[name], entry)
    ]
    if changed:
        raise DataError(
            f"{' and '.join(changed)} changed since the training in {run_dir} began, so it cannot "
            "be resumed as it was. Bring the old files back, or start a new training from its "
            f"weights: model.checkpoint={run_dir}"
        )


def changes(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield what of an entry of the record differs: itself, or some of its files."""
    if before.get("sha256") != now.get("sha256"):
        yield name
    old, new = before.get("files"), now.get("files")
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for file in sorted({*old, *new}):
            if file not in new:
                yield f"{file} (it is no longer there)"
            elif file not in old:
                yield f"{file} (it is new)"
            elif any(old[file].get(fact) != value for fact, value in new[file].items()):
                yield file
