"""Drift for the command line: videos are predicted, and set against the run's own data."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lightning_pose.cli.opening import open_model
from lightning_pose.cli.predict.predicting import FOLDER, PredictRequest, predict_inputs
from lightning_pose.cli.run_metrics import metrics_of
from lightning_pose.cli.terminal import note, say, say_json, say_table
from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.predictions import SETS
from lightning_pose.inference.inputs import Kind, expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.metrics.drift import FEWEST_FRAMES, MOST_OUTSIDE, MOST_SHIFT, Drift, drift_of
from lightning_pose.mlops.registry import is_registered
from lightning_pose.mlops.results import Result, RunResults, read_result, read_run_results

CONFIDENCE, JUMPS = "confidence", "temporal_norm"
POSES = ("pca_singleview_error", "pca_multiview_error")
_TRAIN, *UNSEEN = SETS[:3]
HEADER = ("video", "metric", "usual", "here", "far out", "shift", "")


@dataclass(frozen=True, kw_only=True)
class Session:
    """One video, or the videos of all cameras of a session.

    Attributes:
        name: of the first video file.
        results: one a view.
    """

    name: str
    results: tuple[Result, ...]


def judge_drift(args: argparse.Namespace) -> int:
    """Say of each video whether it is unlike the data of the model; return 0.

    Raises:
        LitposeError: the model or a video cannot be read.
    """
    model = open_model(
        args.model, device=args.device, precision=args.precision, tracking_uri=args.tracking_uri
    )
    run_dir = model.files.run_dir if model.files else None
    if run_dir is None:
        raise ConfigError(
            f"{args.model} is a checkpoint without its run directory, which has the labelled "
            "images that videos are set against."
        )
    in_cache = is_registered(args.model)
    out = args.out or (Path.cwd() / "predictions" if in_cache else run_dir / FOLDER)
    run = read_run_results(run_dir, load_run_config(run_dir), name=run_dir.name)
    judged = _predicted(model, args.videos, args, out)
    names = {session.name for session in judged}
    usual = _predicted(model, args.reference, args, out) if args.reference else _own(run, names)
    reference = _reference(run, usual)
    found = {session.name: _drifts(session, reference) for session in judged}
    if args.json:
        say_json([_as_plain(name, drifts) for name, drifts in found.items()])
    else:
        _say(found)
    return 0


def _predicted(
    model: Model, videos: Sequence[str], args: argparse.Namespace, out: Path
) -> list[Session]:
    """Predict videos, unless that was done before; return what their tables hold."""
    inputs = [item for item in expand_inputs(videos) if item.kind is Kind.VIDEO]
    if not inputs:
        raise DataError(f"There is no video in {', '.join(map(str, videos))}.")
    request = PredictRequest(
        model=args.model, inputs=tuple(videos), device=args.device, precision=args.precision
    )
    metrics = metrics_of(model)
    for failure in metrics.failures:
        note(failure)
    outcomes = predict_inputs(model, inputs, request=request, metrics=metrics.metrics, out=out)
    failed = next((outcome.failed for outcome in outcomes if outcome.failed is not None), None)
    if failed is not None and not any(outcome.predictions for outcome in outcomes):
        raise failed
    return [
        Session(
            name=outcome.inputs[0].path.name,
            results=tuple(read_result(path) for path in outcome.predictions),
        )
        for outcome in outcomes
        if outcome.failed is None
    ]


def _own(run: RunResults, judged: set[str]) -> list[Session]:
    """Return the videos of the run's data that it has predicted, without those being judged."""
    folder = run.config.eval.test_videos_directory or run.config.data.video_dir
    home = Path(folder).resolve() if folder else None
    return [
        Session(name=one.source.name, results=(one,))
        for one in run.videos
        if one.source is not None
        and one.source.resolve().parent == home
        and one.source.name not in judged
    ]


Columns = dict[str, Float[np.ndarray, "n k"]]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What is usual.

    Attributes:
        values: of each metric, a column a keypoint, views side by side.
        keypoint_names: of the columns.
    """

    values: Columns
    keypoint_names: tuple[str, ...]


def _reference(run: RunResults, usual: Sequence[Session]) -> Reference:
    """Return what is usual: unseen labelled images, and of jumps the usual videos.

    Raises:
        DataError: the run has no predictions of labelled images.
    """
    views = max(1, len(run.config.data.view_names))
    own = run.labeled[:views]
    if not own:
        raise DataError(
            f"{run.folder} has no predictions of labelled images to set videos against. Carry the "
            f"training on: litpose train model.resume={run.folder}"
        )
    unseen = np.isin(own[0].predictions.sets, UNSEEN)
    if unseen.sum() < FEWEST_FRAMES:
        note(
            f"Only {unseen.sum()} labelled images are for validation or test, so those of the "
            "training set count as usual too. A model is surer of them: warnings come easily."
        )
        unseen = np.isin(own[0].predictions.sets, SETS[:3])
    values = {name: array[unseen] for name, array in _columns(own).items() if name != JUMPS}
    jumps = [columns[JUMPS] for columns in _sessions(usual, views) if JUMPS in columns]
    if jumps:
        values[JUMPS] = np.concatenate(jumps)
    else:
        note(
            "Jumps (temporal norm) are not judged: no usual video is known. Name some: --reference"
        )
    names = tuple(f"{one.view} {n}".strip() for one in own for n in one.predictions.keypoint_names)
    return Reference(values=values, keypoint_names=names)


def _sessions(usual: Sequence[Session], views: int) -> Iterator[Columns]:
    """Yield the numbers of usual sessions; of several cameras only those predicted together."""
    for session in usual:
        if len(session.results) == views:
            yield _columns(session.results)


def _columns(results: Sequence[Result]) -> Columns:
    """Return what is known of the views of a session, side by side; without what one lacks."""
    tables = [
        {CONFIDENCE: one.predictions.confidence}
        | {name: table.values for name, table in one.metrics.items()}
        for one in results
    ]
    shared = [
        name for name in (CONFIDENCE, *POSES, JUMPS) if all(name in table for table in tables)
    ]
    return {name: np.concatenate([table[name] for table in tables], axis=1) for name in shared}


def _drifts(session: Session, reference: Reference) -> list[Drift]:
    found = [
        drift_of(
            values,
            reference.values[name],
            name=name,
            keypoint_names=reference.keypoint_names,
            low_is_bad=name == CONFIDENCE,
            judges_shift=name != JUMPS,
        )
        for name, values in _columns(session.results).items()
        if name in reference.values
    ]
    return [one for one in found if one is not None]


def _say(found: dict[str, list[Drift]]) -> None:
    rows = [
        (
            video,
            one.name,
            one.reference_median,
            one.video_median,
            f"{one.outside:.0%}",
            f"{one.shift:+.2f}",
            "drift" if one.warns else "",
        )
        for video, drifts in found.items()
        for one in drifts
    ]
    say_table(rows, HEADER)
    for video, drifts in found.items():
        say(f"{video}: {_verdict(drifts)}")


def _verdict(drifts: Sequence[Drift]) -> str:
    if not drifts:
        return "nothing can be told; too little is known of it or of the run's data."
    reasons = [_reason(one) for one in drifts if one.warns]
    if not reasons:
        return "as usual."
    return f"unlike the data of the model. {' '.join(reasons)} Label some of its frames."


def _reason(one: Drift) -> str:
    name = one.name.replace("_", " ")
    if one.warns_of_points:
        return (
            f"{name}: {one.outside:.0%} of the points are worse than 95 % of the usual ones "
            f"({MOST_OUTSIDE:.0%} warns), most of {one.worst_keypoint}."
        )
    return (
        f"{name}: worse by {one.shift:.2f} times the usual interquartile range "
        f"({MOST_SHIFT:.2f} warns)."
    )


def _as_plain(video: str, drifts: Sequence[Drift]) -> dict[str, object]:
    return {
        "video": video,
        "warned": any(one.warns for one in drifts),
        "verdict": _verdict(drifts),
        "metrics": {one.name: dataclasses.asdict(one) | {"warns": one.warns} for one in drifts},
    }
