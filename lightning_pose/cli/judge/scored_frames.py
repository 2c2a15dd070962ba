"""The frames two sides are compared on, and what each of their models says of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lightning_pose.cli.judge.held_out import (
    errors_px,
    learnt_images,
    predict_tables,
    read_scorable,
    unseen,
)
from lightning_pose.cli.terminal import note
from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.out_of_distribution import find_ood_files
from lightning_pose.inference.model import Model

LabelSet = list[LabelTable]  # one table a view


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What a model says of the frames, views side by side.

    Attributes:
        error_px: distance from the label; NaN = not labelled.
        confidence: 0..1.
        xy_img: in pixels of the image.
    """

    error_px: Float[np.ndarray, "n k"]
    confidence: Float[np.ndarray, "n k"]
    xy_img: Float[np.ndarray, "n k 2"]


def read_label_sets(
    models: Sequence[Model], args: argparse.Namespace, *, named: str
) -> dict[str, LabelSet]:
    """Return the labels of frames that no model learnt from, by name of their set.

    Without --csv these are the labels of the first model's run and those of new sessions beside
    them. A frame that several sets hold counts in the first.

    Args:
        models: all that are compared.
        args: csv, data_dir.
        named: how the first model was named.

    Raises:
        ConfigError: no labels are known.
        DataError: they cannot be read, or no frame is left.
    """
    places = label_places(models[0], args, named)
    learnt = frozenset[str]().union(*map(learnt_images, models))
    found: dict[str, LabelSet] = {}
    problem: DataError | None = None
    seen: set[Path] = set()
    for files, folder in places:
        tables = read_scorable(models[0], files, data_dir=folder)
        try:
            tables = unseen(tables, learnt)
        except DataError as error:
            problem = error
            continue
        paths = [tables[0].path(row).resolve() for row in range(len(tables[0]))]
        keep = np.array([path not in seen for path in paths])
        seen.update(paths)
        name = files[0].stem if files[0].stem not in found else str(files[0])
        if keep.any():
            found[name] = [table.rows(keep) for table in tables]
        if not keep.all():
            note(f"{(~keep).sum()} frames of {name} are in another set already.")
    if problem is not None:
        if not found:
            raise problem
        note(str(problem))
    return found


def score(model: Model, sets: Sequence[LabelSet], bbox_files: Sequence[Path]) -> Scored:
    """Return what a model says of all frames, set after set."""
    parts = [(predict_tables(model, tables, bbox_files), tables) for tables in sets]
    return Scored(
        error_px=np.concatenate([errors_px(found, tables) for found, tables in parts]),
        confidence=np.concatenate(
            [np.concatenate([view.confidence for view in found], axis=1) for found, _ in parts]
        ),
        xy_img=np.concatenate(
            [np.concatenate([view.xy_img for view in found], axis=1) for found, _ in parts]
        ),
    )


def labels_px(sets: Sequence[LabelSet]) -> Float[np.ndarray, "n k 2"]:
    """Return the labels of all frames, views side by side."""
    return np.concatenate(
        [np.concatenate([view.xy_img for view in tables], axis=1) for tables in sets]
    )


def label_places(
    model: Model, args: argparse.Namespace, named: str
) -> list[tuple[list[Path], Path]]:
    """Return the label files of each set, one a view, and the folder of their images.

    Args:
        model: whose run's labels are meant without --csv.
        args: csv, data_dir.
        named: how the model was named.

    Raises:
        ConfigError: no labels are known, or too few files a set.
    """
    if args.csv:
        views = max(1, len(model.view_names))
        wrong = next((files for files in args.csv if len(files) != views), None)
        if wrong is not None:
            raise ConfigError(
                f"The models have {views} view(s), but one --csv names {len(wrong)} files. Name "
                "one file a view; each further set of labels by a --csv of its own."
            )
        return [(list(files), args.data_dir or files[0].resolve().parent) for files in args.csv]
    run_dir = model.files.run_dir if model.files else None
    if run_dir is None:
        raise ConfigError(
            f"{named} is a checkpoint without its run directory, so its labels are not "
            "known. Name labels with --csv."
        )
    data = load_run_config(run_dir).data
    folder = Path(args.data_dir or data.data_dir or run_dir)
    own = [folder / name for name in data.csv_files]
    return [(own, folder), *((list(files), folder) for files in find_ood_files(own).values())]
