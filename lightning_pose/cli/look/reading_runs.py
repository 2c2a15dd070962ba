"""Reading runs, and predictions made with them, for the commands that show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning_pose.config.load import load_run_config
from lightning_pose.config.run_dirs import find_run
from lightning_pose.config.schema import Config
from lightning_pose.contracts.errors import DataError, ModelError
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord
from lightning_pose.inference.outputs import NOTE_ENDING, Note, ResultFiles
from lightning_pose.mlops.registry import is_registered, local_model
from lightning_pose.mlops.results import (
    RunResults,
    distinct_names,
    read_run_results,
)
from lightning_pose.mlops.versions.archive import Archive, run_in

SEARCHED = ("outputs", "multirun", "runs")  # for the directory of a registered model's run


def read_runs(
    folders: Sequence[Path],
    predictions: Sequence[Path] = (),
    *,
    names: Sequence[str] = (),
    data_dir: Path | None = None,
) -> list[RunResults]:
    """Return what runs say of images and videos.

    Args:
        folders: run directories.
        predictions: tables, or folders that ``litpose predict`` wrote into, with any of the runs.
        names: of the runs, as they are to be shown; none = what tells their paths apart.
        data_dir: where the labelled images are now; None = where they were.

    Raises:
        LitposeError: one is no run directory, or predictions are of none of the runs.
    """
    for folder in folders:
        if not (folder / RUN_FILE).is_file():
            raise DataError(
                f"{folder} is no run directory: it has no {RUN_FILE}. `litpose train` prints the "
                "run directory as its last line."
            )
    ids = [RunRecord.read(folder / RUN_FILE).run_id for folder in folders]
    tables: list[list[Path]] = [[] for _ in folders]
    for place in predictions:
        made = [list(_made_by(run_id, place)) for run_id in ids]
        if not any(made):
            raise DataError(
                f"{place} holds no predictions of these runs. Make some: litpose predict "
                f"{folders[0]} VIDEO --out {place}"
            )
        for own, found in zip(tables, made, strict=True):
            own += found
    shown = names or distinct_names([folder.resolve() for folder in folders])
    return [
        read_run_results(folder, _config(folder, data_dir), name=name, predictions=own)
        for folder, name, own in zip(folders, shown, tables, strict=True)
    ]


def run_folder(model: str, tracking_uri: str | None = None) -> Path:
    """Return the run directory that a model was trained in.

    Args:
        model: run directory, or ``models:/NAME@alias``.
        tracking_uri: of the registry; None = the default store.

    Raises:
        ConfigError: there is no such run directory.
        ModelError: the run of a registered model is not on this machine.
    """
    if not is_registered(model):
        return find_run(model, cwd=Path.cwd(), key="MODEL")
    packed = run_in(local_model(model, tracking_uri=tracking_uri))
    if packed is not None:
        found = Archive([Path(name) for name in SEARCHED]).run(packed.record.run_id)
        if found is not None and found.folder is not None:
            return found.folder
    raise ModelError(
        f"The run directory of {model} is not in {', '.join(SEARCHED)}: the registry holds its "
        "weights, not its predictions. Name the run directory."
    )


def _config(folder: Path, data_dir: Path | None) -> Config:
    config = load_run_config(folder)
    if data_dir is not None:
        config.data.data_dir = str(data_dir.resolve())
    return config


def _made_by(run_id: str, place: Path) -> Iterator[Path]:
    """Yield the tables in a folder, and below it, that the model of a run predicted.

    Raises:
        DataError: there is no such folder or table.
    """
    if not place.exists():
        raise DataError(f"{place}: there are no such predictions.")
    notes = [place.with_name(f"{place.stem}{NOTE_ENDING}")] if place.is_file() else []
    for file in notes or sorted(place.rglob(f"*{NOTE_ENDING}")):
        known = Note.read(file)
        if known is not None and known.made_from.get("run") == run_id:
            files = ResultFiles(file.parent, file.name.removesuffix(NOTE_ENDING))
            yield from [path for path in files.all_predictions() if path.is_file()][:1]
