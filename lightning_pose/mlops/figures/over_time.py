"""What changes with time: learning curves over epochs, predictions over the frames of a video."""

from __future__ import annotations

import textwrap
import warnings
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
    titled,
)
from lightning_pose.mlops.figures.tables import CONFIDENCE, COORDINATES, metric_columns
from lightning_pose.mlops.learning_curves import CURVES, EPOCH

CURVE_WIDTH, CURVE_HEIGHT = 230, 180
CLICKED = "clicked"


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
            y=alt.Y("value:Q", title=None, scale=alt.Scale(type=scale, zero=False)),
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
    controls: bool = False,
) -> Any:
    """Return coordinates, confidence and metrics over the frames of a video, one axis of time.

    Dragging moves and the wheel stretches all panels together; a double click takes it back.

    Args:
        rows: of :func:`~lightning_pose.mlops.figures.tables.trace_rows`.
        keypoint: which is shown.
        quantities: columns, one a panel; none = all.
        frame: number of a frame to mark; None = the one that was clicked.
        controls: let the reader choose the keypoint. Without, a click chooses a frame, which the
            app reads under the name ``clicked``.
    """
    import altair as alt

    models, keypoints = list(dict.fromkeys(rows["model"])), list(dict.fromkeys(rows["keypoint"]))
    names = list(quantities) or [*COORDINATES, *metric_columns(rows)]
    names = [name for name in names if rows[name].notna().any()]
    point = choice("point", keypoints, value=keypoint, label="keypoint", controls=controls)
    zoom = alt.selection_interval(name="zoom", bind="scales", encodings=["x"])
    clicked = alt.selection_point(name=CLICKED, fields=["frame"], nearest=True, on="click")
    base = alt.Chart(rows).transform_filter(kept("keypoint", "point"))
    panels = []
    for number, name in enumerate(names):
        is_last = number == len(names) - 1
        lines = base.mark_line(strokeWidth=1.1, interpolate="linear").encode(
            x=alt.X("frame:Q", title="frame" if is_last else None,
                    axis=alt.Axis(labels=is_last, format="d")),
            y=alt.Y(f"{name}:Q", title=_lines(titled(name)), scale=_y_scale(name)),
            color=model_color(models),
            tooltip=["model:N", "frame:Q", alt.Tooltip(f"{name}:Q", format=".3~f")],
        )
        panel: Any = lines
        if not controls:
            marked = base.transform_filter({"param": CLICKED, "empty": False})
            if frame is not None:
                marked = alt.Chart(pd.DataFrame({"frame": [frame]}))
            panel = alt.layer(lines, marked.mark_rule(color="#c0392b").encode(x="frame:Q"))
        panels.append(panel.properties(width=WIDTH, height=ROW_HEIGHT))
    params = [point, zoom] if controls else [point, zoom, clicked]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Automatically deduplicated selection parameter")
        return alt.vconcat(*panels, spacing=6).add_params(*params).resolve_scale(x="shared")


def _lines(title: str) -> list[str]:
    """Return a title in lines that fit beside a panel."""
    return textwrap.wrap(title, width=16)


def _y_scale(name: str) -> Any:
    import altair as alt

    if name == CONFIDENCE:
        return alt.Scale(domain=[0, 1])
    return alt.Scale(zero=name not in COORDINATES)
