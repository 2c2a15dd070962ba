"""Figures of a run: how it learnt, where it errs, and the frames where it errs most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lightning_pose.contracts.files import write_atomically
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import SETS, Predictions
from lightning_pose.data.image_files import decode_image

FOLDER = "figures"
WORST = 6
SHOWN_CURVES = (
    ("loss", "train_supervised_loss", "val_supervised_loss"),
    ("px", "val_pixel_error"),
)

History = Mapping[str, Sequence[tuple[int, float]]]


def write_figures(
    folder: Path, *, history: History, predictions: Predictions, labels: LabelTable
) -> list[Path]:
    """Draw all figures of a run into a folder; return the files.

    Args:
        folder: made if need be.
        history: (step, value) of each metric.
        predictions: of the labelled images.
        labels: the same rows.
    """
    error_px = np.linalg.norm(predictions.xy_img - labels.xy_img, axis=-1)
    figures = {
        "learning_curves": _curves(history),
        "error_by_keypoint": _by_keypoint(error_px, predictions),
        "error_by_confidence": _by_confidence(error_px, predictions),
        "worst_frames": _worst(error_px, predictions, labels),
    }
    return [
        write_atomically(folder / f"{name}.png", lambda path, f=figure: f.savefig(path, dpi=90))
        for name, figure in figures.items()
        if figure is not None
    ]


def _curves(history: History) -> Any:
    shown = [(row[0], [n for n in row[1:] if history.get(n)]) for row in SHOWN_CURVES]
    shown = [(unit, names) for unit, names in shown if names]
    if not shown:
        return None
    figure, axes = new_figure(len(shown))
    for axis, (unit, names) in zip(axes, shown, strict=True):
        for name in names:
            axis.plot(*np.array(history[name]).T, label=name)
        axis.set(xlabel="step", ylabel=unit)
        axis.legend()
    return figure


def _by_keypoint(error_px: Float[np.ndarray, "n k"], predictions: Predictions) -> Any:
    figure, (axis,) = new_figure(1)
    sets = np.array(predictions.sets)
    parts = [part for part in SETS if np.isfinite(error_px[sets == part]).any()]
    place = np.arange(len(predictions.keypoint_names))
    width = 0.8 / max(1, len(parts))
    for number, part in enumerate(parts):
        of_part = np.ma.masked_invalid(error_px[sets == part])
        medians = np.ma.median(of_part, axis=0).filled(np.nan)
        axis.bar(place + number * width, medians, width, label=part)
    axis.set_xticks(place, predictions.keypoint_names, rotation=90)
    axis.set(ylabel="median error (px)")
    if parts:
        axis.legend()
    return figure


def _by_confidence(error_px: Float[np.ndarray, "n k"], predictions: Predictions) -> Any:
    figure, (axis,) = new_figure(1)
    sets = np.array(predictions.sets)
    for part in SETS:
        rows = sets == part
        axis.scatter(
            predictions.confidence[rows], error_px[rows], s=6, alpha=0.5, label=part
        ) if rows.any() else None
    axis.set(xlabel="likelihood", ylabel="error (px)", yscale="symlog", xlim=(-0.02, 1.02))
    axis.legend()
    return figure


def _worst(
    error_px: Float[np.ndarray, "n k"], predictions: Predictions, labels: LabelTable
) -> Any:
    """Draw the images of the largest mean errors, those not trained on first."""
    means = np.ma.masked_invalid(error_px).mean(axis=1).filled(-1.0)
    unseen = (np.array(predictions.sets) != "train") & (means >= 0)
    rows = np.flatnonzero(unseen if unseen.any() else means >= 0)
    rows = rows[np.argsort(-means[rows])][:WORST]
    if not len(rows):
        return None
    figure, axes = new_figure(len(rows))
    for axis, row in zip(axes, rows, strict=True):
        axis.imshow(decode_image(labels.path(int(row))))
        axis.scatter(*labels.xy_img[row].T, s=14, facecolors="none", edgecolors="lime")
        axis.scatter(*predictions.xy_img[row].T, s=10, c="red", marker="x")
        axis.set_title(f"{labels.images[row]}\n{means[row]:.1f} px", fontsize=6)
        axis.axis("off")
    figure.suptitle("label (circle) and prediction (cross)", fontsize=8)
    return figure


def new_figure(
    panels: int, *, size: tuple[float, float] | None = None
) -> tuple[Any, Sequence[Any]]:
    """Return a figure and its panels, at most three in a row.

    Args:
        panels: how many.
        size: of the whole in inches; None = 4 by 3.2 a panel.
    """
    from matplotlib.figure import Figure

    columns = min(3, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=size or (4 * columns, 3.2 * rows), layout="constrained")
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(panels)]
    return figure, axes
