"""The tables that figures are drawn from, made from what runs left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from jaxtyping import Float

from lightning_pose.contracts.predictions import SETS, Predictions
from lightning_pose.mlops.figures.reduction import reduced
from lightning_pose.mlops.learning_curves import EPOCH, Row
from lightning_pose.mlops.results import LABELED, Result, RunResults

PIXEL_ERROR, CONFIDENCE = "pixel_error", "confidence"
COORDINATES = ("x", "y")
_TRAIN, _VALIDATION, _TEST, _ = SETS
JUDGED_BY = (_TEST, _VALIDATION, _TRAIN)
DECIMALS = {CONFIDENCE: 3, "x": 1, "y": 1}
MOST_LEVELS, FEWEST_LEVELS = 101, 21
SPREAD_ROWS = 15_000
LEFT_OUT = ("model", "keypoint", "image", "session", "set", "frame", "video")


def error_rows(runs: Iterable[RunResults]) -> pd.DataFrame:
    """Return a row for every run, labelled image and keypoint.

    Columns: model, keypoint (after its view, of several), image, session, set (``ood_NAME`` for
    a new session), pixel_error (px), confidence, and the other metrics of the images that any run
    has. Points without a label, and images that are not used, have no row.
    """
    parts = [_of_images(run, result) for run in runs for result in run.labeled]
    return _joined(parts, ["model", "keypoint", "image", "session", "set", PIXEL_ERROR])


def trace_rows(
    runs: Iterable[RunResults],
    video: str,
    *,
    keypoints: Sequence[str] = (),
    bins: int,
    within: tuple[int, int] | None = None,
) -> pd.DataFrame:
    """Return a row for every run, keypoint and frame of a video.

    Columns: model, keypoint, frame, x, y (px), confidence and the metrics of the video. Longer
    than two frames a bin, each bin becomes the lowest and the highest value of every column.

    Args:
        runs: those without the video are left out.
        video: its stem (:func:`video_names`).
        keypoints: as :func:`keypoint_names` has them; none = all.
        bins: of the time axis.
        within: first and last frame; None = all.
    """
    parts = []
    for run, result in _of_video(runs, video):
        frame_ids = result.predictions.frame_ids
        first, last = within or (0, int(frame_ids.max(initial=0)))
        rows = (frame_ids >= first) & (frame_ids <= last)
        values = {name: array[rows] for name, array in _numbers(result).items()}
        for column, keypoint in _shown(result, keypoints):
            of_point = np.stack([array[:, column] for array in values.values()], axis=1)
            places, extremes = reduced(of_point, bins=bins)
            part = pd.DataFrame(extremes, columns=list(values))
            part.insert(0, "frame", frame_ids[rows][places])
            parts.append(_named(part, model=run.name, keypoint=keypoint))
    return _joined(parts, ["model", "keypoint", "frame", *COORDINATES, CONFIDENCE])


def spread_rows(runs: Iterable[RunResults], *, videos: Sequence[str] = ()) -> pd.DataFrame:
    """Return the distribution of each metric of videos: evenly spaced quantiles, 0 to 1, as rows.

    Columns: video, model, keypoint and the metrics, each sorted by itself. There are 101 for each
    keypoint, or fewer where the table would become long.

    Args:
        runs: of any number.
        videos: stems; none = all.
    """
    runs = list(runs)
    wanted = videos or video_names(runs)
    lines = sum(
        len(one.predictions.keypoint_names) for v in wanted for _, one in _of_video(runs, v)
    )
    count = max(FEWEST_LEVELS, min(MOST_LEVELS, SPREAD_ROWS // max(1, lines)))
    parts = []
    for video in wanted:
        for run, result in _of_video(runs, video):
            values = _numbers(result)
            for column, keypoint in _shown(result, ()):
                part = pd.DataFrame(
                    {
                        name: _quantiles(array[:, column], count)
                        for name, array in values.items()
                        if name not in COORDINATES
                    }
                )
                parts.append(_named(part, video=video, model=run.name, keypoint=keypoint))
    return _joined(parts, ["video", "model", "keypoint", CONFIDENCE])


def curve_rows(curves: Mapping[str, Sequence[Row]]) -> pd.DataFrame:
    """Return a row for every point of the learning curves: model, curve, epoch, value.

    Args:
        curves: rows of learning_curves.csv by run.
    """
    rows = [
        (model, name, row[EPOCH], value)
        for model, of_run in curves.items()
        for row in of_run
        for name, value in row.items()
        if name not in (EPOCH, "step")
    ]
    return pd.DataFrame(rows, columns=["model", "curve", EPOCH, "value"])


def video_names(runs: Iterable[RunResults]) -> list[str]:
    """Return the stems of all videos, those that most runs have predicted first."""
    stems = [result.stem for run in runs for result in run.videos]
    return sorted(dict.fromkeys(stems), key=lambda stem: -stems.count(stem))


def keypoint_names(results: Iterable[Result]) -> list[str]:
    """Return the keypoints as figures name them: after their view, if there are several."""
    return list(dict.fromkeys(name for one in results for _, name in _shown(one, ())))


def keypoint_remark(runs: Sequence[RunResults]) -> str:
    """Return a sentence on the keypoints that not all runs have; empty if all have the same."""
    names = [keypoint_names((*run.labeled, *run.videos)) for run in runs]
    every = dict.fromkeys(name for of_run in names for name in of_run)
    lacking = [name for name in every if not all(name in of_run for of_run in names)]
    if not lacking:
        return ""
    return (
        f"The runs have {len(every) - len(lacking)} keypoints in common, and only those compare. "
        f"Not in all runs: {', '.join(lacking)}."
    )


def metric_columns(rows: pd.DataFrame) -> list[str]:
    """Return the columns of a table that hold numbers to be drawn, without coordinates."""
    return [name for name in rows.columns if name not in (*LEFT_OUT, *COORDINATES)]


def judged_by(rows: pd.DataFrame) -> str:
    """Return the set that errors are judged by: test images, if there are any."""
    sets = list(dict.fromkeys(rows["set"]))
    return next((part for part in (*JUDGED_BY, *sets) if part in sets), "all")


def pixel_errors(result: Result) -> Float[np.ndarray, "n k"]:
    """Return the distance from the label in pixels; NaN = not labelled or not predicted."""
    if PIXEL_ERROR in result.metrics:
        return result.metrics[PIXEL_ERROR].values
    if result.labels is None:
        return np.full(result.predictions.confidence.shape, np.nan)
    return np.linalg.norm(result.predictions.xy_img - result.labels.xy_img, axis=-1)


def set_names(result: Result) -> list[str]:
    """Return the set of each image of a labelled result: ``ood_NAME`` for a new session."""
    new = result.stem.removeprefix(LABELED).removesuffix(f"_{result.view}").strip("_")
    sets = result.predictions.sets
    return [f"ood_{new}"] * len(result.predictions) if new else list(sets)


def _of_images(run: RunResults, result: Result) -> pd.DataFrame:
    predictions, shape = result.predictions, result.predictions.confidence.shape
    names = [name for _, name in _shown(result, ())]
    values = {PIXEL_ERROR: pixel_errors(result), CONFIDENCE: predictions.confidence}
    values |= {name: table.values for name, table in result.metrics.items()}
    rows = pd.DataFrame(
        {
            "keypoint": np.broadcast_to(names, shape).ravel(),
            "image": np.repeat(predictions.images, shape[1]),
            "session": np.repeat(_sessions(predictions), shape[1]),
            "set": np.repeat(set_names(result), shape[1]),
            **{name: _rounded(name, array).ravel() for name, array in values.items()},
        }
    )
    rows.insert(0, "model", run.name)
    return rows[rows[PIXEL_ERROR].notna() & (rows["set"] != SETS[3])]


def _sessions(predictions: Predictions) -> list[str]:
    return [PurePosixPath(image).parent.name for image in predictions.images]


def _numbers(result: Result) -> dict[str, Float[np.ndarray, "t k"]]:
    """Return what is known of a video: coordinates, confidence and metrics."""
    predictions = result.predictions
    x, y = np.moveaxis(predictions.xy_img, -1, 0)
    values = {"x": x, "y": y, CONFIDENCE: predictions.confidence}
    values |= {name: table.values for name, table in result.metrics.items()}
    return {name: _rounded(name, array) for name, array in values.items()}


def _of_video(runs: Iterable[RunResults], video: str) -> Iterator[tuple[RunResults, Result]]:
    for run in runs:
        for result in run.videos:
            if result.stem == video:
                yield run, result


def _shown(result: Result, keypoints: Sequence[str]) -> Iterator[tuple[int, str]]:
    for column, name in enumerate(result.predictions.keypoint_names):
        shown = f"{result.view} {name}".strip()
        if not keypoints or shown in keypoints:
            yield column, shown


def _quantiles(values: Float[np.ndarray, " t"], count: int) -> Float[np.ndarray, " q"]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.full(count, np.nan)
    return np.round(np.quantile(finite, np.linspace(0, 1, count)), DECIMALS[CONFIDENCE])


def _rounded(name: str, values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    return np.round(values.astype(np.float64), DECIMALS.get(name, 2))


def _named(rows: pd.DataFrame, **names: str) -> pd.DataFrame:
    for place, (column, name) in enumerate(names.items()):
        rows.insert(place, column, name)
    return rows


def _joined(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame({name: [] for name in columns})
    return pd.concat(filled, ignore_index=True)
