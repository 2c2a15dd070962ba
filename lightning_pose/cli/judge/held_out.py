"""Models on the same labelled frames, which none of them has learnt from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lightning_pose.cli.predict.boxes import label_boxes
from lightning_pose.cli.terminal import note
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import SETS, Predictions
from lightning_pose.contracts.run_record import SPLIT
from lightning_pose.data.label_checks import checked_labels
from lightning_pose.data.labels import read_labels
from lightning_pose.data.splits import Split
from lightning_pose.inference.model import Model

LEARNT = SETS[:2]  # validation chose the checkpoint
_, _, TEST, _ = SETS


def read_scorable(
    model: Model, files: Sequence[Path], *, data_dir: Path | None
) -> list[LabelTable]:
    """Return the labels of each view that can be scored; what is odd about them is noted.

    Args:
        model: whose keypoints they must be of.
        files: one a view.
        data_dir: the folder that images are relative to; None = that of each file.

    Raises:
        DataError: they cannot be used.
    """
    return [
        scorable(
            read_labels(
                file,
                data_dir=data_dir or file.resolve().parent,
                keypoint_names=model.keypoint_names,
            )
        )
        for file in files
    ]


def scorable(table: LabelTable) -> LabelTable:
    """Return the labels that can be scored; what is odd about the table is noted.

    Raises:
        DataError: it cannot be used.
    """
    scored, warnings = checked_labels(table)
    for warning in warnings:
        note(warning)
    return scored


def unseen(tables: list[LabelTable], learnt: Collection[str]) -> list[LabelTable]:
    """Return the frames that no model was trained on, nor chosen by.

    Args:
        tables: one a view.
        learnt: images that are left out (:func:`learnt_images` of each model).

    Raises:
        DataError: none is left.
    """
    keep = np.array([image not in learnt for image in tables[0].images])
    if not keep.any():
        raise DataError(
            f"One of the models was trained on every frame of {tables[0].source}. Label frames "
            "that none learns from, and name them with --csv."
        )
    if not keep.all():
        note(
            f"{(~keep).sum()} of {len(keep)} frames are left out: one of the models was trained "
            "on them, or chosen by them."
        )
    return [table.rows(keep) for table in tables]


def predict_tables(
    model: Model, tables: Sequence[LabelTable], bbox_files: Sequence[Path] = ()
) -> list[Predictions]:
    """Return the predictions of labelled images, one table a view."""
    return model.predict_labels(
        tables, [TEST] * len(tables[0]), bboxes=label_boxes(model, bbox_files)
    )


def errors_px(
    predictions: Sequence[Predictions], tables: Sequence[LabelTable]
) -> Float[np.ndarray, "n k"]:
    """Return the distance of each keypoint from its label in pixels, views side by side."""
    pairs = zip(predictions, tables, strict=True)
    return np.concatenate(
        [np.linalg.norm(found.xy_img - table.xy_img, axis=-1) for found, table in pairs], axis=1
    )


def learnt_images(model: Model, parts: Collection[str] = LEARNT) -> frozenset[str]:
    """Return the images a model was trained on, or chosen by; it is noted if they are unknown.

    Args:
        model: of a run, of the registry, or a checkpoint alone.
        parts: of its split.

    Raises:
        DataError: its split cannot be read.
    """
    file = model.files.run_dir / SPLIT if model.files and model.files.run_dir else None
    if file is None or not file.is_file():
        note(
            f"It is not known which frames {_name(model)} was trained on: it has no {SPLIT} of a "
            "run. So all count as new to it, and its errors on those it knows are too small. Name "
            "the run directory, or with --csv labels of frames that it never saw."
        )
        return frozenset()
    split = Split.read(file)
    pairs = zip(split.images, split.sets, strict=True)
    return frozenset(image for image, part in pairs if part in parts)


def _name(model: Model) -> str:
    return str(model.files.checkpoint) if model.files else "the model"
