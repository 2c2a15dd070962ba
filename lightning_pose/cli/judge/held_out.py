"""Models on the same labelled frames, which none of them has learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lightning_pose.cli.predict.boxes import label_bbox_files
from lightning_pose.cli.terminal import note
from lightning_pose.contracts.errors import DataError, ModelError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import SETS, Predictions
from lightning_pose.contracts.run_record import SPLIT
from lightning_pose.data.bboxes import read_bboxes
from lightning_pose.data.label_checks import checked_labels
from lightning_pose.data.labels import read_labels
from lightning_pose.data.splits import Split
from lightning_pose.inference.model import Model

LEARNT = SETS[:2]  # validation chose the checkpoint
_, _, TEST, _ = SETS


def read_scorable(model: Model, files: Sequence[Path], *, data_dir: Path) -> list[LabelTable]:
    """Return the labels of each view that can be scored; what is odd about them is noted.

    Args:
        model: whose keypoints they must be of.
        files: one a view.
        data_dir: the folder that images are relative to.

    Raises:
        DataError: they cannot be used.
    """
    tables = []
    for file in files:
        table = read_labels(file, data_dir=data_dir, keypoint_names=model.keypoint_names)
        scored, warnings = checked_labels(table)
        for warning in warnings:
            note(warning)
        tables.append(scored)
    return tables


def unseen(tables: list[LabelTable], models: Sequence[Model]) -> list[LabelTable]:
    """Return the frames that no model was trained on, nor chosen by.

    Raises:
        ModelError: the models are of other keypoints or views.
        DataError: none is left.
    """
    shapes = {(model.keypoint_names, model.view_names) for model in models}
    if len(shapes) > 1:
        raise ModelError("The models have other keypoints or views, so they cannot be compared.")
    seen = {image for model in models for image in learnt_images(model)}
    keep = np.array([image not in seen for image in tables[0].images])
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
    boxes = label_bbox_files(model, bbox_files)
    return model.predict_labels(
        tables, [TEST] * len(tables[0]), bboxes=read_bboxes(*boxes) if boxes else None
    )


def errors_px(
    predictions: Sequence[Predictions], tables: Sequence[LabelTable]
) -> Float[np.ndarray, "n k"]:
    """Return the distance of each keypoint from its label in pixels, views side by side."""
    pairs = zip(predictions, tables, strict=True)
    return np.concatenate(
        [np.linalg.norm(found.xy_img - table.xy_img, axis=-1) for found, table in pairs], axis=1
    )


def learnt_images(model: Model) -> list[str]:
    """Return the images a model was trained on, or chosen by; none if its run is not known."""
    run_dir = model.files.run_dir if model.files else None
    if run_dir is None or not (run_dir / SPLIT).is_file():
        return []
    split = Split.read(run_dir / SPLIT)
    pairs = zip(split.images, split.sets, strict=True)
    return [image for image, part in pairs if part in LEARNT]
