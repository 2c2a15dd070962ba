"""Figures that show several runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lightning_pose.mlops.figures import SHOWN_CURVES, new_figure
from lightning_pose.mlops.learning_curves import EPOCH
from lightning_pose.mlops.report.runs import ReportedRun

HEIGHT = 0.8  # of the bars of a keypoint together


def draw_curves(runs: Sequence[ReportedRun]) -> Any:
    """Return the curves of all runs against the epoch, or None if there are none."""
    names = [name for _, *curves in SHOWN_CURVES for name in curves]
    units = {name: unit for unit, *curves in SHOWN_CURVES for name in curves}
    shown = [name for name in names if any(name in row for run in runs for row in run.curves)]
    if not shown:
        return None
    figure, axes = new_figure(len(shown))
    for axis, name in zip(axes, shown, strict=True):
        for run in runs:
            points = [(row[EPOCH], row[name]) for row in run.curves if name in row]
            if points:
                axis.plot(*np.array(points).T, label=run.name)
        axis.set(xlabel="epoch", ylabel=units[name], title=name)
    axes[0].legend()
    return figure


def draw_keypoints(runs: Sequence[ReportedRun]) -> Any:
    """Return the mean error of each held-out keypoint with its interval, None without any."""
    errors = [_errors(run) for run in runs]
    names = list(dict.fromkeys(name for of_run in errors for name in of_run))
    if not names:
        return None
    figure, (axis,) = new_figure(1, size=(7.5, 1.2 + 0.32 * len(names)))
    width = HEIGHT / len(runs)
    for number, (run, of_run) in enumerate(zip(runs, errors, strict=True)):
        known = [(place, of_run[name]) for place, name in enumerate(names) if name in of_run]
        means = np.array([mean for _, (mean, _, _) in known])
        ends = np.array([[low, high] for _, (_, low, high) in known]).T
        places = np.array([place + number * width for place, _ in known])
        reach = np.abs(ends - means)
        axis.barh(places, means, width, xerr=reach, label=run.name, error_kw={"lw": 0.8})
    axis.set_yticks(np.arange(len(names)) + HEIGHT / 2 - width / 2, names)
    axis.invert_yaxis()
    axis.set(xlabel="mean error with 95 % interval (px)")
    axis.legend()
    return figure


def _errors(run: ReportedRun) -> dict[str, tuple[float, float, float]]:
    """Return mean error and both ends of its interval (the mean, if there is none) by keypoint."""
    found = {}
    for view in run.views:
        for name, numbers in run.held_out(view)[1].get("keypoints", {}).items():
            if numbers["n"]:
                mean = numbers["mean_px"]
                low, high = (mean if end is None else end for end in numbers["mean_px_95"])
                found[f"{view} {name}".strip()] = (mean, low, high)
    return found
