"""Reading runs, and predictions made with them, for the commands that show them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.inference.outputs import Note
from lightning_pose.mlops.results import (
    NOTE_ENDING,
    RECORD,
    RunResults,
    distinct_names,
    read_run_results,
)


def read_runs(folders: Sequence[Path], predictions: Sequence[Path] = ()) -> list[RunResults]:
    """Return what runs say of images and videos, named by what tells their paths apart.

    Args:
        folders: run directories.
        predictions: folders that ``litpose predict`` wrote into, with any of the runs.

    Raises:
        LitposeError: one is no run directory, or a folder of predictions is of none of the runs.
    """
    for folder in folders:
        if not (folder / RECORD).is_file():
            raise DataError(
                f"{folder} is no run directory: it has no {RECORD}. `litpose train` prints the "
                "run directory as its last line."
            )
    names = distinct_names([folder.resolve() for folder in folders])
    ids = [RunRecord.read(folder / RECORD).run_id for folder in folders]
    places: list[list[Path]] = [[] for _ in folders]
    for place in predictions:
        owners = [number for number, run_id in enumerate(ids) if run_id in _makers(place)]
        if not owners:
            raise DataError(
                f"{place} holds no predictions of these runs. Make some: litpose predict "
                f"{folders[0]} VIDEO --out {place}"
            )
        for number in owners:
            places[number].append(place)
    return [
        read_run_results(folder, load_run_config(folder), name=name, predictions=of_run)
        for folder, name, of_run in zip(folders, names, places, strict=True)
    ]


def checked_edges(
    edges: Sequence[Sequence[str]], runs: Sequence[RunResults]
) -> list[tuple[str, str]]:
    """Return pairs of keypoints to join in pictures.

    Raises:
        ConfigError: no run has a keypoint of that name.
    """
    results = [result for run in runs for result in (*run.labeled, *run.videos)]
    known = dict.fromkeys(name for one in results for name in one.predictions.keypoint_names)
    for name in (name for edge in edges for name in edge if name not in known):
        raise ConfigError(f"--edge: no run has a keypoint {name}. They have {', '.join(known)}.")
    return [(one, other) for one, other in edges]


def _makers(place: Path) -> set[str]:
    """Return the ids of the runs whose predictions lie in a folder."""
    notes = [Note.read(path) for path in place.glob(f"*{NOTE_ENDING}")]
    return {str(note.made_from.get("run", "")) for note in notes if note is not None}
