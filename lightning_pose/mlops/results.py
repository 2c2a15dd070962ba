"""What a trained run says of labelled images and of videos, read from the files it left."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lightning_pose.config.schema import Config
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import METRICS
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord, labels_file
from lightning_pose.data.labels import read_labels
from lightning_pose.data.out_of_distribution import SUFFIXES
from lightning_pose.inference.outputs import FOLDER, NOTE_ENDING, Note, ResultFiles

LABELED = "predictions"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One table of predictions, and the metrics that were computed of it.

    Attributes:
        path: of the predictions.
        predictions: of one view.
        metrics: by name; rows and columns are those of the predictions.
        view: name of the camera; empty for a single view.
        source: the video or label file that was predicted, where it was then; None = not noted.
        labels: of a labelled set, as the run had them; row for row those of the predictions.
    """

    path: Path
    predictions: Predictions
    metrics: Mapping[str, MetricTable] = field(default_factory=dict[str, MetricTable])
    view: str = ""
    source: Path | None = None
    labels: LabelTable | None = None

    @property
    def stem(self) -> str:
        """Return the name of the predictions without suffix: of a video, the video's."""
        return self.path.stem


@dataclass(frozen=True, kw_only=True)
class RunResults:
    """A run, and what it was predicted with it.

    Attributes:
        name: told from the others.
        folder: the run directory.
        record: what made it.
        config: its configuration.
        labeled: the labelled set it learnt from, one result a view, then new sessions.
        videos: predicted videos.
    """

    name: str
    folder: Path
    record: RunRecord
    config: Config
    labeled: tuple[Result, ...]
    videos: tuple[Result, ...]


def read_run_results(
    run_dir: Path, config: Config, *, name: str, predictions: Sequence[Path] = ()
) -> RunResults:
    """Return what a run directory says of images and videos.

    Args:
        run_dir: of a run.
        config: the configuration of the run, as its config.yaml has it.
        name: told from other runs (:func:`distinct_names`).
        predictions: folders or tables of further predicted videos, made by ``litpose predict``;
            a video among them stands for the one of the run directory.

    Raises:
        DataError: it is no run directory, or a file of it cannot be read.
    """
    record = RunRecord.read(run_dir / RUN_FILE)
    views = list(config.data.view_names)
    videos = {path.stem: path for path in _tables((run_dir / FOLDER, *predictions))}
    return RunResults(
        name=name,
        folder=run_dir,
        record=record,
        config=config,
        labeled=tuple(_labeled(run_dir, config, views)),
        videos=tuple(
            read_result(path, view=_view_of(path.stem, views)) for path in videos.values()
        ),
    )


def read_result(path: Path, *, view: str = "", source: Path | None = None) -> Result:
    """Return a table of predictions and the metrics beside it.

    Args:
        path: csv, h5 or parquet.
        view: name of the camera.
        source: what was predicted; None = as the note beside the table says.

    Raises:
        DataError: one of the tables cannot be read.
    """
    note = Note.read(ResultFiles(path.parent, path.stem).note)
    files = {entry.name: path.with_name(f"{path.stem}_{entry.name}.csv") for entry in METRICS}
    if source is None and note is not None and note.source:
        source = Path(note.source)
    return Result(
        path=path,
        predictions=Predictions.read(path),
        metrics={
            name: MetricTable.from_csv(file, name=name)
            for name, file in files.items()
            if file.is_file()
        },
        view=view,
        source=source,
    )


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """Return the last parts of the paths, as many as tell them apart.

    Example:
        >>> distinct_names([Path("runs/a"), Path("runs/b")])
        ['a', 'b']
    """
    for parts in range(1, max(len(folder.parts) for folder in folders)):
        names = ["/".join(folder.parts[-parts:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _labeled(run_dir: Path, config: Config, views: Sequence[str]) -> Iterator[Result]:
    """Yield the labelled sets of a run, every view of one set before the next set.

    Labels of the set that was learnt from are the run's own copy, those of new sessions lie
    beside the data.
    """
    data_dir = Path(config.data.data_dir or run_dir)
    files = [data_dir / name for name in config.data.csv_files]
    for suffix in ("", *SUFFIXES):
        for view, file in zip(views or [""], files, strict=True):
            path = run_dir / f"{_joined(LABELED, suffix, view)}.csv"
            source = file.with_name(f"{_joined(file.stem, suffix)}{file.suffix}")
            known = source if suffix else run_dir / labels_file(view or None)
            if path.is_file() and known.is_file():
                labels = read_labels(known, data_dir=data_dir)
                yield _with_labels(read_result(path, view=view, source=source), labels)


def _with_labels(result: Result, labels: LabelTable) -> Result:
    """Return the result with the labels of its images, in its order.

    Raises:
        DataError: an image of it is not labelled any more.
    """
    rows = {image: row for row, image in enumerate(labels.images)}
    gone = [image for image in result.predictions.images if image not in rows]
    if gone:
        raise DataError(
            f"{result.path} predicts {gone[0]}, which {labels.source} does not label any more. "
            "Evaluate the run again: litpose evaluate RUN"
        )
    order = np.array([rows[image] for image in result.predictions.images], dtype=np.int64)
    return dataclasses.replace(result, labels=labels.rows(order))


def _tables(places: Sequence[Path]) -> Iterator[Path]:
    """Yield the tables of predictions: those that a note names as such, or that were named.

    Raises:
        DataError: a place that was named holds none.
    """
    for place in places:
        if place.is_file():
            yield place
            continue
        found = [
            table
            for file in sorted(place.glob(f"*{NOTE_ENDING}"))
            if (table := _first_table(place, file.name.removesuffix(NOTE_ENDING))) is not None
        ]
        if not found and place.name != FOLDER:
            raise DataError(
                f"{place} holds no predictions. Make some: litpose predict MODEL VIDEO"
            )
        yield from found


def _first_table(folder: Path, stem: str) -> Path | None:
    files = ResultFiles(folder, stem).all_predictions()
    return next((file for file in files if file.is_file()), None)


def _view_of(stem: str, views: Sequence[str]) -> str:
    return next((view for view in views if stem.endswith(f"_{view}")), "")


def _joined(*words: str) -> str:
    return "_".join(word for word in words if word)
