"""metrics.json: the numbers of a labelled set or of a video, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.metrics.build import matching_labels
from lightning_pose.metrics.intervals import bootstrap_interval

PCK_PX = (5, 10)
OKS_KAPPA = 0.1  # of every keypoint; the object's scale is the box of its labelled points
CONFIDENT = 0.9
RIGHT_PX, WRONG_PX = 5.0, 10.0
CONFIDENCE_BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
OCCLUDED = 1

Summary = dict[str, Any]


def summarise_labels(predictions: Predictions, labels: LabelTable) -> Summary:
    """Return the numbers of a labelled set: for each part of it, and keypoint by keypoint.

    Args:
        predictions: of the images of ``labels``, with their sets.
        labels: what people placed.

    Raises:
        DataError: they are not of the same images and keypoints.
    """
    labels = matching_labels(predictions, labels)
    error = np.linalg.norm(predictions.xy_img - labels.xy_img, axis=-1)
    sets = np.array(predictions.sets or ("test",) * len(predictions))
    return {
        part: summarise_part(predictions, labels, error, sets == part)
        for part in dict.fromkeys(sets.tolist())
    }


def summarise_part(
    predictions: Predictions,
    labels: LabelTable,
    error: Float[np.ndarray, "n k"],
    rows: Bool[np.ndarray, " n"],
) -> Summary:
    """Return the numbers of the chosen rows."""
    part = error[rows]
    summary: Summary = {"images": int(rows.sum()), **summarise_errors(part, intervals=True)}
    summary["oks"] = _mean(object_keypoint_similarity(part, labels.xy_img[rows]))
    summary["confidence"] = summarise_confidence(part, predictions.confidence[rows])
    if labels.visible is not None:
        hidden = labels.visible[rows] == OCCLUDED
        summary["occluded"] = summarise_errors(np.where(hidden, part, np.nan))
        summary["visible"] = summarise_errors(np.where(hidden, np.nan, part))
    summary["keypoints"] = {
        name: summarise_errors(part[:, [column]], intervals=True)
        for column, name in enumerate(labels.keypoint_names)
    }
    return summary


def summarise_errors(error: Float[np.ndarray, "n k"], *, intervals: bool = False) -> Summary:
    """Return n, mean, median, 90th percentile and PCK of pixel errors; NaN = not labelled."""
    found = error[np.isfinite(error)]
    if not found.size:
        return {"n": 0}
    summary: Summary = {
        "n": int(found.size),
        "mean_px": float(found.mean()),
        "median_px": float(np.median(found)),
        "p90_px": float(np.percentile(found, 90)),
        **{f"pck_{limit}px": float((found <= limit).mean()) for limit in PCK_PX},
    }
    if intervals:
        summary["mean_px_95"] = bootstrap_interval(error, lambda x: float(x.mean()))
        summary["median_px_95"] = bootstrap_interval(error, lambda x: float(np.median(x)))
    return summary


def summarise_confidence(
    error: Float[np.ndarray, "n k"], confidence: Float[np.ndarray, "n k"]
) -> Summary:
    """Return how well the confidence tells right points from wrong ones.

    ``sure_of_right`` is the share of points within 5 px that have a likelihood above 0.9,
    ``sure_of_wrong`` the same of points off by more than 10 px; ``bins`` is the mean error by
    likelihood.
    """
    known = np.isfinite(error) & np.isfinite(confidence)
    if not known.any():
        return {}
    error, confidence = error[known], confidence[known]
    right, wrong = error <= RIGHT_PX, error > WRONG_PX
    sure = confidence > CONFIDENT
    place = np.digitize(confidence, CONFIDENCE_BINS[1:-1])
    bins = [
        {
            "from": CONFIDENCE_BINS[i],
            "to": CONFIDENCE_BINS[i + 1],
            "n": int((place == i).sum()),
            "mean_px": _mean(error[place == i]),
        }
        for i in range(len(CONFIDENCE_BINS) - 1)
    ]
    return {
        "mean": float(confidence.mean()),
        "right": int(right.sum()),
        "sure_of_right": _mean(sure[right]),
        "wrong": int(wrong.sum()),
        "sure_of_wrong": _mean(sure[wrong]),
        "bins": bins,
    }


def summarise_video(predictions: Predictions, tables: Sequence[MetricTable]) -> Summary:
    """Return the numbers of a video: likelihood, and mean, median and p90 of every metric."""
    summary: Summary = {
        "frames": len(predictions),
        "mean_likelihood": _mean(predictions.confidence),
    }
    for table in tables:
        found = table.values[np.isfinite(table.values)]
        summary[table.name] = {
            "mean": _mean(found),
            "median": float(np.median(found)) if found.size else None,
            "p90": float(np.percentile(found, 90)) if found.size else None,
            "unit": table.unit,
        }
    return summary


def object_keypoint_similarity(
    error: Float[np.ndarray, "n k"], xy_img: Float[np.ndarray, "n k 2"]
) -> Float[np.ndarray, " n"]:
    """Return the similarity of each pose to its labels, 0..1 (COCO's OKS).

    mean over labelled keypoints of exp(-d^2 / (2 s^2 kappa^2)), with s^2 the area of the box of
    the labelled points and kappa 0.1 for every keypoint. NaN for an image with fewer than two.
    """
    known = np.isfinite(error)
    low = np.where(known[..., None], xy_img, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known[..., None], xy_img, -np.inf).max(axis=1, initial=-np.inf)
    enough = known.sum(axis=1) > 1
    area = np.where(enough, np.prod(np.where(enough[:, None], high - low, 1.0), axis=1), np.nan)
    closeness = np.exp(-(error**2) / (2 * np.maximum(area, 1.0)[:, None] * OKS_KAPPA**2))
    total = np.where(known, closeness, 0.0).sum(axis=1)
    return np.where(enough, total / np.maximum(known.sum(axis=1), 1), np.nan)


def _mean(values: np.ndarray) -> float | None:
    found = values[np.isfinite(values)] if values.size else values
    return float(found.mean()) if found.size else None
