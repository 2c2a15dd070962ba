"""One model's errors against another's, and errors against what the model believes of itself."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lightning_pose.mlops.figures.style import (
    ALL,
    LOG,
    SMALLEST,
    WIDTH,
    at_least,
    choice,
    kept,
    model_color,
    scale_of,
    slider,
    titled,
    value_axis,
)
from lightning_pose.mlops.figures.tables import CONFIDENCE, PIXEL_ERROR

SIDE = 420
TOLERANCE_PX, MOST_PX = 5.0, 30.0
BINS = 10


def first_against_second(
    rows: pd.DataFrame,
    *,
    first: str,
    second: str,
    value: str = PIXEL_ERROR,
    keypoint: str = ALL,
    part: str = ALL,
    scale: str = LOG,
    controls: bool = False,
) -> Any:
    """Return a point for each keypoint of each image that both models have a number of.

    Above the diagonal the second model has the larger one. Pointing at it names the image.

    Args:
        rows: of :func:`~lightning_pose.mlops.figures.tables.error_rows`.
        first: model of the x axis.
        second: model of the y axis.
        value: column of the number.
        keypoint: one of them, or all.
        part: a set, or all: an image counts where it is in that set of both models.
        scale: log or linear.
        controls: let the reader choose models, keypoint and set.
    """
    import altair as alt

    models, keypoints = list(dict.fromkeys(rows["model"])), list(dict.fromkeys(rows["keypoint"]))
    sets = [*dict.fromkeys(rows["set"]), ALL]
    params = [
        choice("first", models, value=first, label="x", controls=controls),
        choice("second", models, value=second, label="y", controls=controls),
        choice("point", [ALL, *keypoints], value=keypoint, label="keypoint", controls=controls),
        choice("part", sets, value=part, label="set", controls=controls),
    ]
    ends = [float(max(v, SMALLEST[scale])) for v in (rows[value].min(), rows[value].max())]
    shared = scale_of(scale, domain=ends, nice=False, clamp=True)
    tooltip = [alt.Tooltip(f"{name}:N") for name in ("image", "keypoint")]
    tooltip += [alt.Tooltip(f"{name}:Q", format=".2f") for name in ("a", "b")]
    points = (
        alt.Chart(rows)
        .transform_filter(kept("keypoint", "point"))
        .transform_filter(kept("set", "part"))
        .transform_pivot("model", value=value, groupby=["image", "keypoint", "session"])
        .transform_filter("isValid(datum[first]) && isValid(datum[second])")
        .transform_calculate(
            a=f"max(datum[first], {SMALLEST[scale]})", b=f"max(datum[second], {SMALLEST[scale]})"
        )
        .mark_circle(size=28, opacity=0.55)
        .encode(
            x=alt.X("a:Q", scale=shared, title="x" if controls else f"{first}: {titled(value)}"),
            y=alt.Y("b:Q", scale=shared, title="y" if controls else f"{second}: {titled(value)}"),
            color=alt.Color("session:N", legend=alt.Legend(title="session", symbolLimit=12)),
            tooltip=tooltip,
        )
    )
    diagonal = _diagonal("a", "b", ends)
    return (diagonal + points).add_params(*params).properties(width=SIDE, height=SIDE)


def confidence_calibration(
    rows: pd.DataFrame,
    *,
    keypoint: str = ALL,
    part: str = ALL,
    tolerance_px: float = TOLERANCE_PX,
    scale: str = LOG,
    controls: bool = False,
) -> Any:
    """Return how often points of a confidence are right, and their errors one by one.

    Left: the share of points within the tolerance, for ten ranges of confidence; on the diagonal
    a confidence would be that share. Right: every point's error against its confidence.

    Args:
        rows: of :func:`~lightning_pose.mlops.figures.tables.error_rows`.
        keypoint: one of them, or all.
        part: a set, or all.
        tolerance_px: distance from the label up to which a point is right.
        scale: of the errors, log or linear.
        controls: let the reader choose keypoint, set and tolerance.
    """
    import altair as alt

    models, keypoints = list(dict.fromkeys(rows["model"])), list(dict.fromkeys(rows["keypoint"]))
    params = [
        choice("point", [ALL, *keypoints], value=keypoint, label="keypoint", controls=controls),
        choice(
            "part", [*dict.fromkeys(rows["set"]), ALL], value=part, label="set", controls=controls
        ),
        slider(
            "tolerance",
            value=tolerance_px,
            most=MOST_PX,
            step=0.5,
            label="right within (px)",
            controls=controls,
        ),
    ]
    known = (
        alt.Chart(rows)
        .transform_filter(kept("keypoint", "point"))
        .transform_filter(kept("set", "part"))
        .transform_filter(f"isValid(datum.{CONFIDENCE}) && isValid(datum.{PIXEL_ERROR})")
    )
    left = share_line(_share_right(known), models, x="bin", y="share")
    right = _error_by_confidence(
        known.transform_calculate(shown=at_least(PIXEL_ERROR, scale)), models, scale
    )
    half = {"width": WIDTH // 2 - 40, "height": WIDTH // 2 - 60}
    return alt.hconcat(left.properties(**half), right.properties(**half)).add_params(*params)


def share_line(base: Any, models: list[str], *, x: str, y: str) -> Any:
    """Return the share of points within a distance by confidence, over the line of equality.

    Args:
        base: a chart of rows with columns model and points.
        models: all of them, in the order of their colours.
        x: column of the confidence.
        y: column of the share.
    """
    import altair as alt

    lines = base.mark_line(point=alt.OverlayMarkDef(size=40)).encode(
        x=alt.X(f"{x}:Q", scale=alt.Scale(domain=[0, 1]), title=CONFIDENCE),
        y=alt.Y(f"{y}:Q", scale=alt.Scale(domain=[0, 1]), title="share within the tolerance"),
        color=model_color(models),
        tooltip=["model:N", alt.Tooltip(f"{y}:Q", format=".0%"), "points:Q"],
    )
    return _diagonal(x, y, [0.0, 1.0]) + lines


def _share_right(known: Any) -> Any:
    return known.transform_calculate(
        bin=f"(min(floor(datum.{CONFIDENCE} * {BINS}), {BINS - 1}) + 0.5) / {BINS}",
        right=f"datum.{PIXEL_ERROR} <= tolerance ? 1 : 0",
    ).transform_aggregate(share="mean(right)", points="count()", groupby=["model", "bin"])


def _diagonal(x: str, y: str, ends: list[float]) -> Any:
    import altair as alt

    line = alt.Chart(pd.DataFrame({x: ends, y: ends})).mark_line(color="#888", strokeDash=[4, 3])
    return line.encode(x=f"{x}:Q", y=f"{y}:Q")


def _error_by_confidence(known: Any, models: list[str], scale: str) -> Any:
    import altair as alt

    return known.mark_circle(size=16, opacity=0.4).encode(
        x=alt.X(f"{CONFIDENCE}:Q", scale=alt.Scale(domain=[0, 1]), title="confidence"),
        y=alt.Y("shown:Q", **value_axis(PIXEL_ERROR, scale=scale)),
        color=model_color(models),
        tooltip=["image:N", "keypoint:N", "model:N", f"{PIXEL_ERROR}:Q", f"{CONFIDENCE}:Q"],
    )
