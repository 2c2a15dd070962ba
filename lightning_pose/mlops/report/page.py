"""The page: errors, comparison, learning curves, keypoints, and where each run came from."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lightning_pose.contracts.durations import duration
from lightning_pose.mlops.figures import FOLDER as FIGURES
from lightning_pose.mlops.html_page import document, picture, section, svg_of, table
from lightning_pose.mlops.report.drawings import draw_curves, draw_keypoints
from lightning_pose.mlops.report.runs import ReportedRun

Comparison = Mapping[str, Any]
OF_A_RUN = {
    "worst_frames": "The held-out frames with the largest errors",
    "error_by_confidence": "Error against likelihood",
}


def page_of(runs: Sequence[ReportedRun], comparison: Comparison | None = None) -> str:
    """Return the page as text.

    Args:
        runs: what is reported, in this order.
        comparison: what ``litpose compare --out`` wrote as comparison.json.
    """
    curves = draw_curves(runs)
    keypoints = draw_keypoints(runs)
    parts = [
        section("Errors", _errors(runs)),
        section("Comparison", _comparison(comparison) if comparison else ""),
        section("Learning curves", svg_of(curves, salt="curves") if curves else ""),
        section("Error by keypoint", svg_of(keypoints, salt="keypoints") if keypoints else ""),
        *(section(f"Pictures: {run.name}", _pictures(run)) for run in runs),
        section("Where the runs came from", "".join(_provenance(run) for run in runs)),
    ]
    return document(f"Report on {' and '.join(run.name for run in runs)}", parts)


def _errors(runs: Sequence[ReportedRun]) -> str:
    header = ("run", "set", "images", "mean px", "95 %", "median px", "p90 px", "within 5 px")
    rows = [row for run in runs for row in _rows(run)]
    note = "Judge by test images: training has seen the others, or was ended by them."
    return f'{table(header, rows)}<p class="quiet">{note}</p>'


def _rows(run: ReportedRun) -> Iterator[tuple[str, ...]]:
    for view, parts in run.views.items():
        for part, numbers in parts.items():
            if not numbers.get("n"):
                continue
            low, high = (_px(end) for end in numbers["mean_px_95"])
            yield (
                html.escape(f"{run.name} {view}".strip()),
                html.escape(part),
                str(numbers["images"]),
                f"<b>{_px(numbers['mean_px'])}</b>" if part == "test" else _px(numbers["mean_px"]),
                f"{low} to {high}",
                _px(numbers["median_px"]),
                _px(numbers["p90_px"]),
                f"{numbers['pck_5px']:.0%}",
            )


def _comparison(found: Comparison) -> str:
    rows = [
        (
            html.escape(name),
            _px(one["first_px"]),
            _px(one["second_px"]),
            f"{one['difference_px']:+.2f}",
            f"{one['low_px']:+.2f} to {one['high_px']:+.2f}",
            one["frames"],
        )
        for name, one in {**found["by_keypoint"], "all": found["overall"]}.items()
    ]
    header = ("keypoint", "A px", "B px", "B - A", "95 %", "frames")
    names = f"A: {html.escape(found['first'])}, B: {html.escape(found['second'])}"
    return (
        f'<p class="big">{html.escape(found["verdict"])}</p><p>{names}</p>{table(header, rows)}'
        '<p class="quiet">Both models on the same frames, which neither learnt from. Of the '
        "intervals of single keypoints one in twenty misses the truth by chance.</p>"
    )


def _pictures(run: ReportedRun) -> str:
    files = {run.folder / FIGURES / f"{name}.png": alt for name, alt in OF_A_RUN.items()}
    return "".join(
        f"<p>{html.escape(alt)}</p>{picture(path, alt=alt)}"
        for path, alt in files.items()
        if path.is_file()
    )


def _provenance(run: ReportedRun) -> str:
    record = run.record
    code, trained = record.code, record.metrics.get("training_s")
    commit = str(code.get("commit", "not known"))
    dirty = ", with changes that are not committed" if code.get("dirty") else ""
    facts = {
        "run": f"{record.run_id}, {record.outcome}",
        "began": record.started,
        "trained for": duration(float(trained)) if trained is not None else "",
        "code": f"litpose {code.get('version', '')}, commit {commit}{dirty}",
        "overrides": " ".join(record.overrides),
        "seeds": ", ".join(f"{name} {seed}" for name, seed in record.seeds.items()),
        "device": str(record.device.get("gpu") or record.device.get("processor", "")),
        "checkpoint": str(record.checkpoint.get("sha256", "")),
        "tracked as": record.tracking.get("run_id", ""),
    }
    rows = [(name, html.escape(value)) for name, value in facts.items() if value]
    rows += [
        (html.escape(f"data: {name}"), html.escape(_identity(entry)))
        for name, entry in record.data.items()
    ]
    packages = html.escape(json.dumps(record.packages, indent=1))
    return (
        f"<h3>{html.escape(run.name)}</h3>{table(('', ''), rows)}"
        f"<details><summary>packages</summary><pre>{packages}</pre></details>"
    )


def _identity(entry: Mapping[str, Any]) -> str:
    files = entry.get("files")
    if isinstance(files, Mapping):
        return ", ".join(f"{name} {str(facts['sha256'])[:12]}" for name, facts in files.items())
    rows = f", {entry['rows']} rows" if "rows" in entry else ""
    known = f", DVC {entry['dvc_md5']}" if "dvc_md5" in entry else ""
    return f"sha256 {entry.get('sha256', '')}{rows}{known}"


def _px(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
