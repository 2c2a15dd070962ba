"""What changes with time: learning curves over epochs, predictions over the frames of a video."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd

from lightning_pose.mlops.figures.style import (
    LINEAR,
    ROW_HEIGHT,
    WIDTH,
    choice,
    kept,
    model_color,
    scale_of,
    titled,
)
from lightning_pose.mlops.figures.tables import CONFIDENCE, COORDINATES, metric_columns
from lightning_pose.mlops.learning_curves import CURVES, EPOCH

CURVE_WIDTH, CURVE_HEIGHT = 230, 180
CLICKED, PANEL, POINTS = "clicked", "panel_", "points_"


def learning_curves(rows: pd.DataFrame, *, scale: str = LINEAR) -> Any:
    """Return the curves of all runs against the epoch, a panel each.

    Args:
        rows: of :func:`~lightning_pose.mlops.figures.tables.curve_rows`.
        scale: of the values, log or linear.
    """
    import altair as alt

    models = list(dict.fromkeys(rows["model"]))
    names = [name for name in CURVES if name in set(rows["curve"])]
    base = alt.Chart(rows).mark_line(point=alt.OverlayMarkDef(size=14), strokeWidth=1.5)
    panels = [
        base.transform_filter(f"datum.curve == '{name}'")
        .encode(
            x=alt.X(f"{EPOCH}:Q", title="epoch"),
            y=alt.Y("value:Q", title=None, scale=scale_of(scale, zero=False)),
            color=model_color(models),
            tooltip=["model:N", f"{EPOCH}:Q", alt.Tooltip("value:Q", format=".4~g")],
        )
        .properties(width=CURVE_WIDTH, height=CURVE_HEIGHT, title=name.replace("_", " "))
        for name in names
    ]
    return alt.concat(*panels, columns=3)


def traces(
    rows: pd.DataFrame,
    *,
    keypoint: str,
    quantities: Sequence[str] = (),
    frame: int | None = None,
    width: int = WIDTH,
    controls: bool = False,
) -> Any:
    """Return coordinates, confidence and metrics over the frames of a video, one axis of time.

    Dragging moves and the wheel stretches all panels together; a double click takes it back.

    Args:
        rows: of :func:`~lightning_pose.mlops.figures.tables.trace_rows`.
        keypoint: which is shown.
        quantities: columns, one a panel; none = all.
        frame: number of a frame to mark.
        width: of a panel in pixels.
        controls: let the reader choose the keypoint. Without, a click chooses a frame, which the
            app reads under the name ``clicked``.
    """
    import altair as alt

    models, keypoints = list(dict.fromkeys(rows["model"])), list(dict.fromkeys(rows["keypoint"]))
    names = list(quantities) or [*COORDINATES, *metric_columns(rows)]
    names = [name for name in names if rows[name].notna().any()]
    point = choice("point", keypoints, value=keypoint, label="keypoint", controls=controls)
    base = alt.Chart(rows).transform_filter(kept("keypoint", "point"))
    panels = []
    for name in names:
        is_last = name == names[-1]
        panel: Any = base.mark_line(strokeWidth=1.1).encode(
            x=alt.X(
                "frame:Q",
                title="frame" if is_last else None,
                axis=alt.Axis(labels=is_last, format="d"),
            ),
            y=alt.Y(f"{name}:Q", title=_lines(titled(name)), scale=_y_scale(name)),
            color=model_color(models),
            tooltip=["model:N", "frame:Q", alt.Tooltip(f"{name}:Q", format=".3~f")],
        )
        panel = panel.properties(name=f"{PANEL}{name}")
        if not controls:
            panel = _clickable(panel, frame, name=f"{POINTS}{name}")
        panels.append(panel.properties(width=width, height=ROW_HEIGHT))
    stacked: Any = alt.vconcat(*panels, spacing=6).add_params(point).resolve_scale(x="shared")
    stacked.params = [*stacked.params, *_selections(stacked, with_click=not controls)]
    return stacked


def _selections(stacked: Any, *, with_click: bool) -> list[Any]:
    """Return what all panels share: zoom, and the frame nearest to a click.

    Given to each panel, Altair would make one of each layer of each panel. It has renamed the
    parts by now.
    """
    import altair as alt

    parts = [part for panel in stacked.vconcat for part in getattr(panel, "layer", [panel])]
    names = [str(part.name) for part in parts]
    zoom = alt.TopLevelSelectionParameter(
        name="zoom",
        select=alt.IntervalSelectionConfig(type="interval", encodings=["x"]),
        bind="scales",
        views=[name for name in names if name.startswith(PANEL)],
    )
    clicked = alt.TopLevelSelectionParameter(
        name=CLICKED,
        select=alt.PointSelectionConfig(type="point", fields=["frame"], nearest=True, on="click"),
        views=[name for name in names if name.startswith(POINTS)],
    )
    return [zoom, clicked] if with_click else [zoom]


def _clickable(lines: Any, frame: int | None, *, name: str) -> Any:
    """Return a panel in which a frame can be clicked, and then has a dot.

    Args:
        lines: the panel; a click finds no place on a line, so unseen points lie on it.
        frame: marked by a line; None = none.
        name: of the points.
    """
    import altair as alt

    is_clicked: Any = {"param": CLICKED, "empty": False}
    opacity = alt.condition(is_clicked, alt.value(1), alt.value(0))
    points = lines.mark_circle(size=70).encode(opacity=opacity).properties(name=name)
    if frame is None:
        return alt.layer(lines, points)
    marked = alt.Chart(pd.DataFrame({"frame": [frame]})).mark_rule(color="#c0392b")
    return alt.layer(lines, points, marked.encode(x="frame:Q"))


def _lines(title: str) -> list[str]:
    """Return a title in lines that fit beside a panel."""
    return textwrap.wrap(title, width=16)


def _y_scale(name: str) -> Any:
    import altair as alt

    if name == CONFIDENCE:
        return alt.Scale(domain=[0, 1])
    return alt.Scale(zero=name not in COORDINATES)
