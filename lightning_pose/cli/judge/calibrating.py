"""Calibrating a model's confidence for the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lightning_pose.cli.judge.evaluating import labels_and_sets
from lightning_pose.cli.judge.held_out import learnt_images, predict_tables
from lightning_pose.cli.opening import open_model
from lightning_pose.cli.terminal import note, say, say_json, say_table
from lightning_pose.contracts.errors import ConfigError, DataError, LitposeError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import SETS
from lightning_pose.inference.calibration import ConfidenceCalibration
from lightning_pose.inference.model import Model
from lightning_pose.inference.model_files import ModelFiles
from lightning_pose.metrics.calibration import (
    CalibrationBin,
    Reliability,
    ScoredPoints,
    reliability,
)
from lightning_pose.metrics.isotonic import SHARE_OF_SIZE, isotonic_steps, share_of_size_px
from lightning_pose.mlops.registry import is_registered

TRAIN, VALIDATION, *HELD_OUT = SETS
BIN_HEADER = ("likelihood", "points", "mean", "within", "95 %", "mean px")


def calibrate_and_report(args: argparse.Namespace) -> int:
    """Fit a calibration, store it beside the checkpoint and measure it; return 0.

    Raises:
        LitposeError: there is too little to fit it on; nothing was written.
    """
    if args.within_px is not None and not args.within_px > 0:
        raise ConfigError(f"--within-px should be above 0, got {args.within_px}.")
    if is_registered(args.model):
        raise ConfigError(
            f"{args.model} is a stored version, which stays as it is. Calibrate its run "
            "directory, and register that again: litpose registry register RUN"
        )
    model = open_model(
        args.model,
        device=args.device,
        precision=args.precision,
        tracking_uri=args.tracking_uri,
        raw_confidence=True,
    )
    files = ModelFiles.find(args.model)
    tables, sets = labels_and_sets(model, args.csv, data_dir=args.data_dir, named=args.model)
    if args.csv is None:
        fitted_on = [part == VALIDATION for part in sets]
    else:
        trained_on = learnt_images(model, [TRAIN])
        fitted_on = [image not in trained_on for image in tables[0].images]
    fitted = fit(model, files, _rows(tables, fitted_on), args)
    path = fitted.write(files.checkpoint)
    seen = {image for image, kept in zip(tables[0].images, fitted_on, strict=True) if kept}
    found = _measure(model, fitted, _test_frames(model, args, seen), args.bbox_file)
    if args.json:
        say_json({"file": str(path), **fitted.identity(), **(found.as_plain() if found else {})})
    else:
        _say(fitted, found, path)
    return 0


def fit(
    model: Model, files: ModelFiles, tables: list[LabelTable], args: argparse.Namespace
) -> ConfidenceCalibration:
    """Return the calibration of a model, fitted on labels that it was not trained on.

    Raises:
        DataError: there are too few labels, or the model gives no confidence.
    """
    if not len(tables[0]):
        raise DataError(
            "There is no frame to fit the calibration on: the run has no validation frames, or "
            "was trained on all of --csv. Name labels of other frames with --csv."
        )
    within_px = args.within_px
    if within_px is None:
        within_px = share_of_size_px(np.concatenate([table.xy_img for table in tables], axis=1))
        note(
            f"Near means within {within_px:.1f} px, {SHARE_OF_SIZE:.0%} of the animal's size; "
            "--within-px chooses another distance."
        )
    points = scored_points(model, tables, args.bbox_file)
    if not len(points):
        raise DataError(f"{args.model} gives no confidence, so there is none to calibrate.")
    confidence, probability = isotonic_steps(points, within_px=within_px)
    return ConfidenceCalibration(
        within_px=within_px,
        confidence=tuple(confidence),
        probability=tuple(probability),
        points=len(points),
        frames=len(set(points.images)),
        labels=tuple(str(table.source) for table in tables),
        checkpoint_sha256=files.checkpoint_sha256,
    )


def scored_points(
    model: Model, tables: Sequence[LabelTable], bbox_files: Sequence[Path]
) -> ScoredPoints:
    """Return the errors and confidences of a model's keypoints, all views together."""
    found = predict_tables(model, tables, bbox_files)
    return ScoredPoints.joined(
        [
            ScoredPoints.of(
                np.linalg.norm(view.xy_img - table.xy_img, axis=-1),
                view.confidence,
                tables[0].images,
            )
            for view, table in zip(found, tables, strict=True)
        ]
    )


def _test_frames(model: Model, args: argparse.Namespace, seen: set[str]) -> list[LabelTable]:
    """Return the run's frames that neither training nor the calibration has seen; [] = none."""
    if model.files is None or model.files.run_dir is None:
        return []
    try:
        tables, sets = labels_and_sets(model, None, named=args.model)
    except LitposeError as error:
        note(f"The calibration is not measured on the run's own test frames: {error}")
        return []
    held_out = [
        part in HELD_OUT and image not in seen
        for part, image in zip(sets, tables[0].images, strict=True)
    ]
    return _rows(tables, held_out) if any(held_out) else []


def _measure(
    model: Model,
    fitted: ConfidenceCalibration,
    tables: list[LabelTable],
    bbox_files: Sequence[Path],
) -> Reliability | None:
    if not tables:
        return None
    points = scored_points(model, tables, bbox_files)
    return reliability(points, fitted.apply(points.confidence), within_px=fitted.within_px)


def _rows(tables: Sequence[LabelTable], keep: Sequence[bool]) -> list[LabelTable]:
    return [table.rows(np.array(keep, dtype=bool)) for table in tables]


def _say(fitted: ConfidenceCalibration, found: Reliability | None, path: Path) -> None:
    if found is None:
        note("There are no test frames left to measure it on.")
    else:
        bins = [one for one in found.after.bins if one.points]
        say_table([_row(one) for one in bins], BIN_HEADER)
        for name, table in (("before", found.before), ("after", found.after)):
            low, high = table.brier_95
            say(
                f"{name}: off by {table.expected_error:.3f} on average, Brier score "
                f"{table.brier:.3f} ({low:.3f} to {high:.3f})"
            )
        low, high = found.brier_change_95
        say(
            f"The Brier score changed by {found.brier_change:+.3f}, the 95 % interval is "
            f"{low:+.3f} to {high:+.3f} ({found.after.points} keypoints of test frames)."
        )
    say(
        f"The likelihood is now the probability of lying within {fitted.within_px:.1f} px, fitted "
        f"on {fitted.points} keypoints of {fitted.frames} frames: {path}"
    )
    note(
        "Thresholds on the likelihood mean something else now: above 0.9 are points of which nine "
        "in ten or more lie that near. Predictions made before are not taken for the same."
    )


def _row(one: CalibrationBin) -> tuple[object, ...]:
    low, high = one.within_95 or (float("nan"), float("nan"))
    return (
        f"{one.low:g} to {one.high:g}",
        one.points,
        one.confidence,
        one.within,
        f"{low:.2f} to {high:.2f}" if one.within_95 else "-",
        one.mean_px,
    )
