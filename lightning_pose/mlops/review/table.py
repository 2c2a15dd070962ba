"""The pictures of a comparison as one table: labels, what each model says, and errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float, Int

from lightning_pose.contracts.errors import DataError
from lightning_pose.data.wording import count, listed
from lightning_pose.mlops.results import LABELED, Result, RunResults

PIXEL_ERROR = "pixel_error"
VIDEO, IN, OUT = "video", "in", "out"
SEEN_FIRST = ("train", "validation", "test", "unused")  # of several models' parts the first counts
NOT_SAID = "unused"


@dataclass(frozen=True, kw_only=True)
class ReviewTable:
    """Pictures and what m models say of them: n rows, k keypoints.

    Attributes:
        models: names, in the order they were given.
        keypoint_names: in column order.
        files: where each picture lies.
        images: its name: as the label csv has it, or ``labeled-data/<video>/img<frame>.png``.
        groups: what the pictures of one moment share, whatever the camera.
        views: of each picture; empty for a single view.
        sessions: recording it is from.
        splits: train, validation, test, unused, or video for frames without labels; where models
            differ, the part nearest to training.
        distributions: ``in``, or ``out`` for sessions no model learnt from; ``video`` unknown.
        videos: path of the video of a chosen frame; empty for labelled images.
        frames: 0-based number in that video; -1 for labelled images.
        reasons: why a frame was chosen; empty for labelled images.
        label_files: csv that its labels are in, or would be; empty if unknown.
        label_xy: pixels; NaN = not labelled.
        xy: pixels; NaN = the model did not predict it.
        confidence: 0..1; NaN = unknown.
        metrics: by name, ``pixel_error`` among them, as the runs' tables have them; NaN = none.
    """

    models: tuple[str, ...]
    keypoint_names: tuple[str, ...]
    files: tuple[Path, ...]
    images: tuple[str, ...]
    groups: tuple[str, ...]
    views: tuple[str, ...]
    sessions: tuple[str, ...]
    splits: tuple[str, ...]
    distributions: tuple[str, ...]
    videos: tuple[str, ...]
    frames: Int[np.ndarray, " n"]
    reasons: tuple[str, ...]
    label_files: tuple[str, ...]
    label_xy: Float[np.ndarray, "n k 2"]
    xy: Float[np.ndarray, "m n k 2"]
    confidence: Float[np.ndarray, "m n k"]
    metrics: Mapping[str, Float[np.ndarray, "m n k"]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def error(self) -> Float[np.ndarray, "m n k"]:
        """Return the distance of each prediction from its label, in pixels; NaN = no label."""
        found = self.metrics.get(PIXEL_ERROR)
        return np.full(self.confidence.shape, np.nan) if found is None else found

    @property
    def labelled(self) -> tuple[bool, ...]:
        """Return which pictures come from label files."""
        return tuple(split != VIDEO for split in self.splits)


def joined(tables: Sequence[ReviewTable]) -> ReviewTable:
    """Return the rows of all tables, which are of the same models and keypoints."""
    first = tables[0]
    names = dict.fromkeys(name for table in tables for name in table.metrics)

    def values(table: ReviewTable, name: str) -> np.ndarray:
        return table.metrics.get(name, np.full(table.confidence.shape, np.nan))

    columns = {
        entry.name: sum((getattr(table, entry.name) for table in tables), start=())
        for entry in dataclasses.fields(ReviewTable)
        if isinstance(getattr(first, entry.name), tuple)
        and entry.name not in ("models", "keypoint_names")
    }
    return ReviewTable(
        models=first.models,
        keypoint_names=first.keypoint_names,
        frames=np.concatenate([table.frames for table in tables]),
        label_xy=np.concatenate([table.label_xy for table in tables]),
        xy=np.concatenate([table.xy for table in tables], axis=1),
        confidence=np.concatenate([table.confidence for table in tables], axis=1),
        metrics={n: np.concatenate([values(t, n) for t in tables], axis=1) for n in names},
        **columns,
    )


def labelled_tables(runs: Sequence[RunResults]) -> list[ReviewTable]:
    """Return the labelled sets that the runs predicted, each view of each set a table.

    Raises:
        DataError: models have different keypoints, or one was evaluated on nothing.
    """
    for run in runs:
        if not run.labeled:
            raise DataError(
                f"{run.folder} holds no predictions of labelled images: its training has not "
                "ended, or it is a copy of the weights alone. Name the run directory itself."
            )
    sets = dict.fromkeys(result.stem for run in runs for result in run.labeled)
    return [_of_set(name, runs) for name in sets]


def same_keypoints(names: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the keypoints that all models have.

    Args:
        names: keypoints by model.

    Raises:
        DataError: models differ.
    """
    first, *others = names
    for other in others:
        if list(names[other]) != list(names[first]):
            only = [name for name in names[first] if name not in names[other]]
            more = [name for name in names[other] if name not in names[first]]
            parts = [
                f"{listed(words)} only in {model}"
                for model, words in ((first, only), (other, more))
                if words
            ]
            raise DataError(
                f"{first} and {other} predict different keypoints "
                f"({'; '.join(parts) or 'the same in another order'}); compare models that were "
                "trained on the same ones."
            )
    return tuple(names[first])


def metric_values(
    result: Result, rows: Sequence[int], keypoint_names: Sequence[str]
) -> dict[str, Float[np.ndarray, "r k"]]:
    """Return the metrics of some rows of a result, a column a keypoint."""
    found = {}
    for name, table in result.metrics.items():
        values = np.full((len(rows), len(keypoint_names)), np.nan)
        columns = [keypoint_names.index(keypoint) for keypoint in table.keypoint_names]
        values[:, columns] = table.values[np.asarray(rows, dtype=np.int64)]
        found[name] = values
    return found


def label_file(result: Result) -> str:
    """Return the csv that a labelled set was read from; empty if unknown."""
    return "" if result.source is None else str(result.source.resolve())


def check_pictures_are_there(table: ReviewTable) -> None:
    """Raise DataError if pictures are not where they were."""
    missing = [file for file in dict.fromkeys(table.files) if not file.is_file()]
    if missing:
        raise DataError(
            f"{count(len(missing), 'picture')} of {len(table)} not where the runs had them, "
            f"{missing[0]} say; name the folder of the data now with --data-dir."
        )


def _of_set(name: str, runs: Sequence[RunResults]) -> ReviewTable:
    """Return one labelled set of one view, with the images of all runs."""
    found = [next((r for r in run.labeled if r.stem == name), None) for run in runs]
    have = [(run, result) for run, result in zip(runs, found, strict=True) if result is not None]
    keypoints = same_keypoints({run.name: r.predictions.keypoint_names for run, r in have})
    images = list(dict.fromkeys(i for _, result in have for i in result.predictions.images))
    place = {image: row for row, image in enumerate(images)}
    m, n, k = len(runs), len(images), len(keypoints)
    label_xy = np.full((n, k, 2), np.nan)
    xy, confidence = np.full((m, n, k, 2), np.nan), np.full((m, n, k), np.nan)
    metrics: dict[str, np.ndarray] = {}
    files, splits = [Path()] * n, [NOT_SAID] * n
    for model, result in reversed(list(enumerate(found))):  # the first run says what is labelled
        if result is None or result.labels is None:
            continue
        rows = np.array([place[image] for image in result.predictions.images], dtype=np.int64)
        xy[model, rows] = result.predictions.xy_img
        confidence[model, rows] = result.predictions.confidence
        label_xy[rows] = result.labels.xy_img
        of_result = metric_values(result, range(len(rows)), keypoints)
        for metric, values in of_result.items():
            metrics.setdefault(metric, np.full((m, n, k), np.nan))[model, rows] = values
        for row, image, part in zip(rows, result.labels.images, _parts(result), strict=True):
            files[row] = result.labels.root / image
            splits[row] = min(splits[row], part, key=SEEN_FIRST.index)
    view, new = have[0][1].view, _is_new(have[0][1])
    return ReviewTable(
        models=tuple(run.name for run in runs),
        keypoint_names=keypoints,
        files=tuple(files),
        images=tuple(images),
        groups=tuple(f"{_set_name(have[0][1])} {row}" for row in range(n)),
        views=(view,) * n,
        sessions=tuple(_session(image, view) for image in images),
        splits=tuple(splits),
        distributions=(OUT if new else IN,) * n,
        videos=("",) * n,
        frames=np.full(n, -1, dtype=np.int64),
        reasons=("",) * n,
        label_files=(label_file(have[0][1]),) * n,
        label_xy=label_xy,
        xy=xy,
        confidence=confidence,
        metrics=metrics,
    )


def _parts(result: Result) -> Sequence[str]:
    sets = result.predictions.sets
    return [s if s in SEEN_FIRST else NOT_SAID for s in sets] or [NOT_SAID] * len(
        result.predictions
    )


def _set_name(result: Result) -> str:
    """Return the name of a labelled set without its view."""
    return result.stem.removesuffix(f"_{result.view}") if result.view else result.stem


def _is_new(result: Result) -> bool:
    return _set_name(result) != LABELED


def _session(image: str, view: str) -> str:
    """Return the recording an image is from: its folder, without the view."""
    folder = PurePosixPath(image).parent.name
    return folder.removesuffix(f"_{view}") if view else folder
