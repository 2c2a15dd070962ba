"""What a comparison of two sides found: differences, hard keypoints, what confidence is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lightning_pose.mlops.figures.agreement import share_line
from lightning_pose.mlops.figures.style import ALL, WIDTH, model_color

SIDES = {"A": "first", "B": "second"}
HALF = {"width": WIDTH // 2 - 40, "height": WIDTH // 2 - 100}
LEFT_OUT = "share left out: keypoints that models agree on"
DIFFERENCE = "B - A, 95 % interval (px)"


def differences(found: Mapping[str, Any]) -> Any:
    """Return the difference of two models with its 95 % interval, for each keypoint and overall.

    Args:
        found: comparison.json, as ``litpose compare --out`` writes it.
    """
    import altair as alt

    named = {**found["by_keypoint"], ALL: found["overall"]}
    columns = ("difference_px", "low_px", "high_px")
    rows = pd.DataFrame(
        [(name, *(_number(one, column) for column in columns)) for name, one in named.items()],
        columns=["keypoint", *columns],
    )
    y = alt.Y("keypoint:N", sort=list(named), title=None, axis=alt.Axis(labelLimit=200))
    base = alt.Chart(rows).encode(
        y=y,
        color=alt.condition(f"datum.keypoint == '{ALL}'", alt.value("#1668a7"), alt.value("#555")),
    )
    tooltip = ["keypoint:N", *(alt.Tooltip(f"{name}:Q", format="+.2f") for name in columns)]
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low_px:Q", title=f"{DIFFERENCE}; left of 0, B errs less"),
        x2="high_px:Q",
        tooltip=tooltip,
    )
    dots = base.mark_circle(size=60).encode(x="difference_px:Q", tooltip=tooltip)
    zero = _zero("x").encode(x="x:Q")
    return (zero + bars + dots).properties(width=WIDTH - 60, height={"step": 20})


def hard_keypoints(curve: Mapping[str, Any]) -> Any:
    """Return mean errors and their difference over ever harder keypoints.

    Args:
        curve: ``hard`` of comparison.json; it has points.
    """
    import altair as alt

    rows = pd.DataFrame([_hard_row(point) for point in curve["points"]])
    of_sides = pd.concat(
        [rows.assign(model=side, mean_px=rows[f"{name}_px"]) for side, name in SIDES.items()]
    )
    x = alt.X("share:Q", title=LEFT_OUT, axis=alt.Axis(format="%", titleLimit=WIDTH))
    known = [alt.Tooltip("spread_px:Q", format=".1f"), "points:Q", "frames:Q"]
    errors = (
        alt.Chart(of_sides)
        .mark_line(point=alt.OverlayMarkDef(size=40))
        .encode(
            x=x,
            y=alt.Y("mean_px:Q", title="mean error (px)", scale=alt.Scale(zero=True)),
            color=model_color(list(SIDES)),
            tooltip=["model:N", alt.Tooltip("mean_px:Q", format=".2f"), *known],
        )
    )
    base = alt.Chart(rows).encode(x=x)
    tooltip = [
        *(alt.Tooltip(f"{name}_px:Q", format="+.2f") for name in ("difference", "low", "high")),
        *known,
    ]
    band = base.mark_area(opacity=0.25, color="#555").encode(
        y=alt.Y("low_px:Q", title=[DIFFERENCE, "below 0, B errs less"]), y2="high_px:Q"
    )
    line = base.mark_line(point=alt.OverlayMarkDef(size=40, color="#555"), color="#555").encode(
        y="difference_px:Q", tooltip=tooltip
    )
    zero = _zero("y").encode(y="y:Q")
    return alt.hconcat(
        errors.properties(**HALF), (zero + band + line).properties(**HALF)
    ).configure_axisX(titleFontSize=10)


def calibration(tables: Mapping[str, Any]) -> Any:
    """Return the share of keypoints within the distance by confidence, with its 95 % interval.

    Args:
        tables: ``calibration`` of comparison.json; one side or both have a table.
    """
    import altair as alt

    rows = pd.DataFrame(
        [
            _bin_row(side, one)
            for side, name in SIDES.items()
            for one in (tables[name] or {"bins": []})["bins"]
            if one["points"]
        ]
    )
    base = alt.Chart(rows)
    bars = base.mark_rule(opacity=0.6).encode(
        x="confidence:Q", y="low:Q", y2="high:Q", color=model_color(list(SIDES))
    )
    lines = share_line(base, list(SIDES), x="confidence", y="share")
    return (lines + bars).properties(**HALF)


def _hard_row(point: Mapping[str, Any]) -> dict[str, float]:
    numbers = ("first_px", "second_px", "difference_px", "low_px", "high_px", "frames")
    named = {name: _number(point["difference"], name) for name in numbers}
    return {name: point[name] for name in ("share", "spread_px", "points")} | named


def _bin_row(side: str, one: Mapping[str, Any]) -> dict[str, Any]:
    low, high = one["within_95"] or (np.nan, np.nan)
    return {
        "model": side,
        "confidence": one["confidence"],
        "share": one["within"],
        "points": one["points"],
        "low": low,
        "high": high,
    }


def _number(numbers: Mapping[str, Any], name: str) -> float:
    value = numbers.get(name)
    return np.nan if value is None else float(value)


def _zero(column: str) -> Any:
    import altair as alt

    rows = pd.DataFrame({column: [0.0]})
    return alt.Chart(rows).mark_rule(color="#888", strokeDash=[4, 3])
