"""How a number spreads, keypoint by keypoint and model by model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from lightning_pose.mlops.figures.style import (
    ALL,
    LOG,
    WIDTH,
    at_least,
    choice,
    kept,
    model_color,
    slider,
    value_axis,
)
from lightning_pose.mlops.figures.tables import CONFIDENCE

BOX, VIOLIN, STRIP = "box", "violin", "strip"
BAND, GAP = 13, 8  # px of a model's mark, and between keypoints
VIOLIN_HEIGHT = 34
VIOLIN_WIDTH = WIDTH - 120
ROUND = [10**decade * digit for decade in range(-2, 4) for digit in (1, 2, 5)]


def by_keypoint(
    rows: pd.DataFrame,
    *,
    value: str,
    style: str = BOX,
    scale: str = LOG,
    part: str = ALL,
    threshold: float = 0.0,
    part_column: str = "set",
    controls: bool = False,
) -> Any:
    """Return the distribution of a number for each keypoint, the models beside each other.

    Args:
        rows: with columns model, keypoint, and the number; ``confidence`` too for a threshold.
        value: column of the number.
        style: box (quartiles, whiskers to 1.5 times their distance), violin or strip.
        scale: log or linear.
        part: of ``part_column``, or all.
        threshold: points of a confidence below it are left out; unknown confidence is kept.
        part_column: set, of images; video.
        controls: let the reader choose part and threshold.
    """
    import altair as alt

    models, keypoints = list(dict.fromkeys(rows["model"])), list(dict.fromkeys(rows["keypoint"]))
    parts = [*dict.fromkeys(rows[part_column]), ALL]
    with_threshold = part_column == "set" and value != CONFIDENCE
    chosen = choice("part", parts, value=part, label=part_column, controls=controls)
    least = slider(
        "threshold",
        value=threshold,
        most=1.0,
        step=0.05,
        label="least confidence",
        controls=controls and with_threshold,
    )
    base = (
        alt.Chart(rows)
        .add_params(chosen, least)
        .transform_filter(kept(part_column, "part"))
        .transform_filter(f"isValid(datum['{value}'])")
        .transform_calculate(shown=at_least(value, scale))
    )
    if with_threshold:
        base = base.transform_filter(
            f"!isValid(datum.{CONFIDENCE}) || datum.{CONFIDENCE} >= threshold"
        )
    color = model_color(models)
    return STYLES[style](base, value, scale, color, keypoints, models)


def _axes(value: str, scale: str, keypoints: list[str], models: list[str]) -> dict[str, Any]:
    import altair as alt

    return {
        "x": alt.X("shown:Q", **value_axis(value, scale=scale)),
        "y": alt.Y("keypoint:N", sort=keypoints, title=None, axis=alt.Axis(labelLimit=200)),
        "yOffset": alt.YOffset("model:N", sort=models),
    }


def _sized(chart: Any, keypoints: list[str], models: list[str]) -> Any:
    return chart.properties(width=WIDTH - 40, height=len(keypoints) * (BAND * len(models) + GAP))


def _box(
    base: Any, value: str, scale: str, color: Any, keypoints: list[str], models: list[str]
) -> Any:
    import altair as alt

    mark = base.mark_boxplot(
        size=BAND - 4, outliers={"size": 9, "opacity": 0.6}, median={"color": "white"}
    )
    encoded = mark.encode(**_axes(value, scale, keypoints, models), color=color)
    return _sized(encoded.encode(tooltip=alt.Undefined), keypoints, models)


def _strip(
    base: Any, value: str, scale: str, color: Any, keypoints: list[str], models: list[str]
) -> Any:
    import altair as alt

    mark = base.mark_tick(thickness=1.4, height=BAND - 4, opacity=0.55)
    names = ["image", "video", "keypoint", "model"]
    tooltip = [alt.Tooltip(f"{name}:N") for name in names]
    tooltip.append(alt.Tooltip(f"{value}:Q", format=".2f"))
    encoded = mark.encode(**_axes(value, scale, keypoints, models), color=color, tooltip=tooltip)
    return _sized(encoded, keypoints, models)


def _violin(
    base: Any, value: str, scale: str, color: Any, keypoints: list[str], models: list[str]
) -> Any:
    """Draw densities, on a logarithmic axis those of the logarithm."""
    import altair as alt

    is_log = scale == LOG
    axis = value_axis(value, scale="linear")
    if is_log:
        places = [math.log10(value) for value in ROUND]
        axis["axis"] = alt.Axis(labelExpr="format(pow(10, datum.value), '.3~g')", values=places)
    spread = base.transform_calculate(drawn="log(datum.shown) / LN10" if is_log else "datum.shown")
    density = spread.transform_density(
        "drawn", groupby=["keypoint", "model"], as_=["drawn", "density"], steps=60
    ).transform_calculate(mirrored="-datum.density")
    area = density.mark_area(opacity=0.45, strokeWidth=1, orient="vertical").encode(
        x=alt.X("drawn:Q", **axis),
        y=alt.Y("density:Q", axis=None),
        y2="mirrored:Q",
        color=color,
        tooltip=[alt.Tooltip("model:N"), alt.Tooltip("keypoint:N")],
    )
    header = alt.Header(labelAngle=0, labelAlign="left", title=None, labelLimit=200)
    return (
        area.properties(width=VIOLIN_WIDTH, height=VIOLIN_HEIGHT)
        .facet(row=alt.Row("keypoint:N", sort=keypoints, header=header), spacing=0)
        .resolve_scale(y="independent")
    )


STYLES: dict[str, Callable[..., Any]] = {BOX: _box, VIOLIN: _violin, STRIP: _strip}
