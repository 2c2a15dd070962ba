"""The few numbers of a labelled set that are compared from version to version, and plotted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning_pose.cli.judge.evaluation import by_view
from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.predictions import SETS
from lightning_pose.metrics.summary import Summary
from lightning_pose.metrics.views import ALL_VIEWS

SCORES = ("mean_px", "median_px", "p90_px", "pck_5px")
DECIMALS = 4
TRAIN, VALIDATION, TEST, _ = SETS
HELD_OUT = (TEST, VALIDATION, TRAIN)


def write_scores(path: Path, summary: Summary, views: Sequence[str]) -> Path:
    """Write part -> name -> number as JSON, by view first if there are several."""
    scores = {
        view: {
            part: {name: round(numbers[name], DECIMALS) for name in SCORES if name in numbers}
            for part, numbers in of_view.items()
        }
        for view, of_view in by_view(summary, views).items()
    }
    return write_text(path, json.dumps(scores.get("", scores), indent=2) + "\n")


def write_by_keypoint(path: Path, summary: Summary, views: Sequence[str]) -> Path:
    """Write a row for every keypoint of the test images: mean and its 95 % interval, in pixels.

    Without test images those of the validation are taken, without them all others; the column
    ``set`` says which. A keypoint of several views has its view's name in front.
    """
    rows = ["set,keypoint,n,mean_px,low_px,high_px", *_rows(summary, views)]
    return write_text(path, "\n".join(rows) + "\n")


def _rows(summary: Summary, views: Sequence[str]) -> Iterator[str]:
    for view, of_view in by_view(summary, views).items():
        if view == ALL_VIEWS:
            continue
        part = next((name for name in (*HELD_OUT, *of_view) if name in of_view), None)
        if part is None:
            continue
        for name, numbers in of_view[part]["keypoints"].items():
            if numbers["n"]:
                low, high = numbers["mean_px_95"]
                label = f"{view} {name}" if view else name
                ends = f"{low:.4f},{high:.4f}" if low == low else ","  # one image has none
                yield f"{part},{label},{numbers['n']},{numbers['mean_px']:.4f},{ends}"
