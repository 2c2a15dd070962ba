"""The tables of a report: errors of each run, and the comparison of two."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lightning_pose.mlops.html_page import quiet, table
from lightning_pose.mlops.report.runs import ReportedRun

TEST = "test"


def errors(runs: Sequence[ReportedRun]) -> str:
    """Return the errors of every run, view and set."""
    header = ("run", "set", "images", "mean px", "95 %", "median px", "p90 px", "within 5 px")
    rows = [row for run in runs for row in _rows(run)]
    note = "Judge by test images: training has seen the others, or was ended by them."
    return table(header, rows) + quiet(note)


def comparison(found: Mapping[str, Any]) -> str:
    """Return verdict and numbers of a comparison.

    Args:
        found: comparison.json, as ``litpose compare --out`` writes it.
    """
    rows = [
        (
            html.escape(name),
            _px(one.get("first_px")),
            _px(one.get("second_px")),
            f"{one['difference_px']:+.2f}",
            f"{one['low_px']:+.2f} to {one['high_px']:+.2f}",
            one.get("frames", "-"),
        )
        for name, one in {**found["by_keypoint"], "all": found["overall"]}.items()
    ]
    header = ("keypoint", "A px", "B px", "B - A", "95 %", "frames")
    names = f"A: {html.escape(found['first'])}, B: {html.escape(found['second'])}"
    note = (
        "Both models on the same frames, which neither learnt from. Of the intervals of single "
        "keypoints one in twenty misses the truth by chance."
    )
    verdict = html.escape(found["verdict"])
    return f'<p class="big">{verdict}</p><p>{names}</p>{table(header, rows)}{quiet(note)}'


def _rows(run: ReportedRun) -> Iterator[tuple[str, ...]]:
    for view, parts in run.views.items():
        for part, numbers in parts.items():
            if not numbers.get("n"):
                continue
            low, high = (_px(end) for end in numbers["mean_px_95"])
            mean = _px(numbers["mean_px"])
            yield (
                html.escape(f"{run.name} {view}".strip()),
                html.escape(part),
                str(numbers["images"]),
                f"<b>{mean}</b>" if part == TEST else mean,
                f"{low} to {high}",
                _px(numbers["median_px"]),
                _px(numbers["p90_px"]),
                f"{numbers['pck_5px']:.0%}",
            )


def _px(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
