"""The page: errors, comparison, charts, pictures of frames, and where each run came from."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lightning_pose.mlops.figures.frames import (
    Frame,
    labelled_frames,
    most_different,
    most_different_in_video,
    worst,
)
from lightning_pose.mlops.figures.pictures import pictures
from lightning_pose.mlops.figures.style import color_of
from lightning_pose.mlops.figures.tables import keypoint_remark, video_names
from lightning_pose.mlops.html_page import document, picture, quiet, section
from lightning_pose.mlops.report.charts import ChartPage, of_labels, of_videos
from lightning_pose.mlops.report.compared import of_comparison
from lightning_pose.mlops.report.numbers import errors
from lightning_pose.mlops.report.origin import configuration, provenance
from lightning_pose.mlops.report.runs import ReportedRun
from lightning_pose.mlops.results import RunResults
from lightning_pose.mlops.skeleton import Edges

MOST_PICTURES = 6
VIDEOS_WITH_PICTURES = 3


def page_of(
    runs: Sequence[ReportedRun],
    found: Mapping[str, Any] | None = None,
    *,
    edges: Edges = (),
) -> str:
    """Return the page as text.

    Args:
        runs: what is reported, in this order.
        found: what ``litpose compare --out`` wrote as comparison.json.
        edges: pairs of keypoints to join in pictures.
    """
    page = ChartPage()
    results = [run.results for run in runs]
    parts = [
        quiet(remark) if (remark := keypoint_remark(results)) else "",
        section("Errors", errors(runs)),
        section("Comparison", of_comparison(page, found) if found else ""),
        *of_labels(page, runs),
        *of_videos(page, runs),
        *_frames(results, edges),
        section("Configuration: keys that differ", configuration(results)),
        section("Where the runs came from", "".join(provenance(run) for run in results)),
    ]
    *others, last = (run.name for run in runs)
    names = f"{', '.join(others)} and {last}" if others else last
    return document(f"Report on {names}", [*parts, page.scripts()])


def _frames(runs: Sequence[RunResults], edges: Edges) -> Iterator[str]:
    models = [run.name for run in runs]
    frames = labelled_frames(runs)
    legend = _legend(models)
    for model in models:
        shown = worst(frames, model, MOST_PICTURES)
        captions = [f"{frame.name}: {frame.error_px(model):.1f} px" for frame in shown]
        yield section(f"Worst frames: {model}", _shots(shown, captions, models, edges, legend))
    if len(models) < 2:
        return
    shown = most_different(frames, MOST_PICTURES)
    yield section(
        "Images in which the models differ most", _different(shown, models, edges, legend)
    )
    for video in video_names(runs)[:VIDEOS_WITH_PICTURES]:
        shown = most_different_in_video(runs, video, MOST_PICTURES)
        title = f"Frames of {video} in which the models differ most"
        yield section(title, _different(shown, models, edges, legend))


def _different(shown: Sequence[Frame], models: Sequence[str], edges: Edges, legend: str) -> str:
    captions = [f"{frame.name}: {frame.disagreement_px():.1f} px apart" for frame in shown]
    return _shots(shown, captions, models, edges, legend)


def _shots(
    frames: Sequence[Frame],
    captions: Sequence[str],
    models: Sequence[str],
    edges: Edges,
    legend: str,
) -> str:
    if not frames:
        return ""
    found, missing = pictures(frames, models=models, edges=edges)
    shots = "".join(
        picture(found[frame.name], caption=caption)
        for frame, caption in zip(frames, captions, strict=True)
        if frame.name in found
    )
    remarks = "".join(quiet(sentence) for sentence in missing[:1])
    return f'{legend}<div class="shots">{shots}</div>{remarks}'


def _legend(models: Sequence[str]) -> str:
    dots = "".join(
        f'<span class="dot" style="background:{color_of(number)}"></span>{html.escape(name)}'
        for number, name in enumerate(models)
    )
    return f'<p class="quiet">Yellow rings: labels. Crosses: predictions of{dots}</p>'
