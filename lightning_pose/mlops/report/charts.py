"""The charts of a report: which there are, and the part of the page that draws them."""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lightning_pose.mlops.figures.agreement import confidence_calibration, first_against_second
from lightning_pose.mlops.figures.chart_files import Charts, javascript, script_json
from lightning_pose.mlops.figures.distributions import BOX, STYLES, VIOLIN, by_keypoint
from lightning_pose.mlops.figures.over_time import learning_curves, traces
from lightning_pose.mlops.figures.style import SCALES
from lightning_pose.mlops.figures.tables import (
    CONFIDENCE,
    curve_rows,
    error_rows,
    judged_by,
    metric_columns,
    spread_rows,
    trace_rows,
    video_names,
)
from lightning_pose.mlops.html_page import quiet, section
from lightning_pose.mlops.report.runs import ReportedRun

MOST_TRACES = 6
TRACE_POINTS = 60_000  # of all videos, models and keypoints together: 2.5 MB of the page
FEWEST_BINS, MOST_BINS = 40, 400

DRAW = """
const page=JSON.parse(document.getElementById('charts').textContent);
const rowsOf=t=>{const names=Object.keys(t);if(!names.length)return [];
 const get=names.map(n=>Array.isArray(t[n])?(i=>t[n][i]):(i=>t[n].names[t[n].at[i]]));
 const first=t[names[0]];const count=(Array.isArray(first)?first:first.at).length;
 return Array.from({length:count},(_,i)=>Object.fromEntries(names.map((n,k)=>[n,get[k](i)])));};
const named=(s,into)=>{if(s&&typeof s==='object'){if(s.data&&page.tables[s.data.name])
 into.add(s.data.name);Object.values(s).forEach(v=>named(v,into));}return into;};
const draw=f=>{const chart=page.figures[+f.dataset.figure];
 const key=[...f.querySelectorAll('select[data-option]')].map(s=>s.value).join('|');
 const spec={...chart[key]},datasets={};
 for(const n of named(spec,new Set()))datasets[n]=rowsOf(page.tables[n]);
 spec.datasets={...spec.datasets,...datasets};
 return vegaEmbed(f.querySelector('.view'),spec,
  {actions:{export:true,source:false,compiled:false,editor:false}});};
const seen=new IntersectionObserver(es=>es.forEach(e=>{if(e.isIntersecting){
 seen.unobserve(e.target);draw(e.target);}}),{rootMargin:'400px'});
for(const f of document.querySelectorAll('.chart')){seen.observe(f);
 f.addEventListener('change',e=>{if(e.target.dataset.option!==undefined)draw(f);});}
"""


class ChartPage:
    """Collects the charts of a page; what several draw from is on the page once."""

    def __init__(self) -> None:
        self._charts = Charts()
        self._figures: list[dict[str, Any]] = []

    def figure(
        self, draw: Callable[..., Any], options: Mapping[str, Sequence[str]] | None = None
    ) -> str:
        """Return an element that shows a chart, with a list to choose from for each option.

        Args:
            draw: takes one value of each option by its name, and returns the chart.
            options: values of each; the first one is shown at first.
        """
        options = {name: values for name, values in (options or {}).items() if values}
        self._figures.append(
            {
                "|".join(chosen): self._charts.spec(
                    partial(draw, **dict(zip(options, chosen, strict=True)))
                )
                for chosen in itertools.product(*options.values())
            }
        )
        lists = "".join(_list(name, values) for name, values in options.items())
        number = len(self._figures) - 1
        parts = f'<div>{lists}</div><div class="view"></div>'
        return f'<div class="chart" data-figure="{number}">{parts}</div>'

    def scripts(self) -> str:
        """Return what draws the figures; nothing if there are none."""
        if not self._figures:
            return ""
        content = script_json({"tables": self._charts.tables(), "figures": self._figures})
        return (
            f'<script id="charts" type="application/json">{content}</script>'
            f"<script>{javascript()}</script><script>{DRAW}</script>"
        )


def of_labels(page: ChartPage, runs: Sequence[ReportedRun]) -> list[str]:
    """Return the sections on training and labelled images."""
    models = [run.name for run in runs]
    curves = curve_rows({run.name: run.curves for run in runs})
    rows = error_rows([run.results for run in runs])
    parts = [
        section(
            "Learning curves",
            page.figure(
                lambda scale: learning_curves(curves, scale=scale), {"scale": SCALES[::-1]}
            )
            if len(curves)
            else "",
        )
    ]
    if not len(rows):
        return parts
    part = judged_by(rows)
    metrics = [name for name in metric_columns(rows) if name != CONFIDENCE]
    by = page.figure(
        lambda metric, style, scale: by_keypoint(
            rows, value=metric, style=style, scale=scale, part=part, controls=True
        ),
        {"metric": metrics, "style": list(STYLES), "scale": SCALES},
    )
    parts.append(section("Error by keypoint", by))
    if len(models) > 1:
        against = page.figure(
            lambda scale: first_against_second(
                rows, first=models[0], second=models[1], part=part, scale=scale, controls=True
            ),
            {"scale": SCALES},
        )
        note = quiet(
            "A point is a keypoint of an image; point at it for the names. Above the diagonal "
            "the model of the y axis errs more."
        )
        parts.append(section("One model against another", against + note))
    if rows[CONFIDENCE].notna().any():
        of_confidence = page.figure(
            lambda scale: confidence_calibration(rows, scale=scale, controls=True),
            {"scale": SCALES},
        )
        parts.append(section("Confidence", of_confidence))
    return parts


def of_videos(page: ChartPage, runs: Sequence[ReportedRun]) -> list[str]:
    """Return the sections on videos: how metrics spread, and traces over time."""
    results = [run.results for run in runs]
    videos = video_names(results)
    if not videos:
        return []
    spread = spread_rows(results)
    metrics = sorted(metric_columns(spread), key=lambda name: name == CONFIDENCE)
    by = page.figure(
        lambda metric, style, scale: by_keypoint(
            spread,
            value=metric,
            style=style,
            scale=scale,
            part=videos[0],
            part_column="video",
            controls=True,
        ),
        {"metric": metrics, "style": (BOX, VIOLIN), "scale": SCALES},
    )
    parts = [section("Metrics on videos", by)]
    shown = videos[:MOST_TRACES]
    lines = sum(
        len(one.predictions.keypoint_names)
        for run in results
        for one in run.videos
        if one.stem in shown
    )
    bins = min(MOST_BINS, max(FEWEST_BINS, TRACE_POINTS // max(1, 2 * lines)))
    for video in shown:
        rows = trace_rows(results, video, bins=bins)
        keypoint = str(rows["keypoint"].iloc[0])
        body = page.figure(lambda r=rows, k=keypoint: traces(r, keypoint=k, controls=True))
        parts.append(section(f"Traces: {video}", body + quiet(_steps(results, video, bins))))
    if len(videos) > len(shown):
        names = ", ".join(videos[MOST_TRACES:])
        parts.append(quiet(f"Traces of further videos are in `litpose app`: {names}."))
    return parts


def _steps(results: Sequence[Any], video: str, bins: int) -> str:
    frames = max(len(o.predictions) for run in results for o in run.videos if o.stem == video)
    how = "Drag to move along time, turn the wheel to stretch it, double-click to see all."
    if frames <= 2 * bins:
        return how
    return f"Of every {frames / bins:.0f} frames the lowest and the highest value are drawn. {how}"


def _list(name: str, values: Sequence[str]) -> str:
    options = "".join(f"<option>{html.escape(value)}</option>" for value in values)
    label = html.escape(name)
    return f"<label>{label} <select data-option={json.dumps(name)}>{options}</select></label>"
