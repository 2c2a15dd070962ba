"""The table of a report: errors of each run."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from lightning_pose.mlops.html_page import quiet, table
from lightning_pose.mlops.report.runs import ReportedRun

TEST = "test"


def errors(runs: Sequence[ReportedRun]) -> str:
    """Return the errors of every run, view and set."""
    header = ("run", "set", "images", "mean px", "95 %", "median px", "p90 px", "within 5 px")
    rows = [row for run in runs for row in _rows(run)]
    note = "Judge by test images: training has seen the others, or was ended by them."
    return table(header, rows) + quiet(note)


def _rows(run: ReportedRun) -> Iterator[tuple[str, ...]]:
    for view, parts in run.views.items():
        for part, numbers in parts.items():
            if not numbers.get("n"):
                continue
            low, high = (px(end) for end in numbers["mean_px_95"])
            mean = px(numbers["mean_px"])
            yield (
                html.escape(f"{run.name} {view}".strip()),
                html.escape(part),
                str(numbers["images"]),
                f"<b>{mean}</b>" if part == TEST else mean,
                f"{low} to {high}",
                px(numbers["median_px"]),
                px(numbers["p90_px"]),
                f"{numbers['pck_5px']:.0%}",
            )


def px(value: float | None, form: str = ".2f") -> str:
    """Return a number for a table; a dash if there is none."""
    return "-" if value is None else format(value, form)
