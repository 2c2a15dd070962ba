"""The page on labelled frames: errors by keypoint, model against model, confidence, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lightning_pose.mlops.app.frame_view import show_frame
from lightning_pose.mlops.figures.agreement import (
    MOST_PX,
    TOLERANCE_PX,
    confidence_calibration,
    first_against_second,
)
from lightning_pose.mlops.figures.distributions import STYLES, by_keypoint
from lightning_pose.mlops.figures.frames import labelled_frames, most_different, worst
from lightning_pose.mlops.figures.style import ALL, SCALES
from lightning_pose.mlops.figures.tables import (
    CONFIDENCE,
    error_rows,
    judged_by,
    metric_columns,
)
from lightning_pose.mlops.results import RunResults
from lightning_pose.mlops.skeleton import Edges

DIFFERENCE = "difference between models"


def show_labels(runs: Sequence[RunResults], *, models: Sequence[str], edges: Edges) -> None:
    """Draw the page.

    Args:
        runs: those chosen.
        models: names of all, in the order of their colours.
        edges: pairs of keypoints to join in pictures.
    """
    import streamlit as st

    rows = error_rows(runs)
    if not len(rows):
        st.info("These runs have no labelled frames.")
        return
    common = _common(rows)
    with st.sidebar:
        metric = st.selectbox("metric", metric_columns(rows), key="metric")
        sets = [*dict.fromkeys(rows["set"]), ALL]
        part = str(st.selectbox("set", sets, index=sets.index(judged_by(rows)), key="set"))
        keypoints = st.multiselect("keypoints (none: all)", common, key="keypoints")
        style = st.radio("style", list(STYLES), horizontal=True, key="style")
        scale = st.radio("scale", SCALES, horizontal=True, key="scale")
        least = st.slider("least confidence", 0.0, 1.0, 0.0, 0.05, key="threshold")
    rows = rows[rows["keypoint"].isin(keypoints or common)]
    st.subheader(f"{metric.replace('_', ' ')} by keypoint")
    _draw(
        by_keypoint(rows, value=metric, style=style, scale=scale, part=part, threshold=least),
        key="by_keypoint",
    )
    names = [run.name for run in runs]
    if len(names) > 1:
        _show_pair(rows, names, metric=metric, part=part, scale=scale)
    if rows[CONFIDENCE].notna().any():
        st.subheader("Confidence")
        right = st.slider("right within (px)", 0.5, MOST_PX, TOLERANCE_PX, 0.5, key="tolerance")
        _draw(
            confidence_calibration(rows, part=part, tolerance_px=right, scale=scale),
            key="calibration",
        )
    _show_pictures(runs, models, edges)


def _common(rows: pd.DataFrame) -> list[str]:
    """Return the keypoints that every model has."""
    counts = rows.groupby("keypoint", sort=False)["model"].nunique()
    return [str(name) for name in counts.index[counts == rows["model"].nunique()]]


def _show_pair(
    rows: pd.DataFrame, names: Sequence[str], *, metric: str, part: str, scale: str
) -> None:
    import streamlit as st

    st.subheader("One model against another")
    left, middle, right = st.columns(3)
    first = left.selectbox("x", names, key="first")
    second = middle.selectbox("y", names, index=1, key="second")
    keypoint = right.selectbox("keypoint", [ALL, *dict.fromkeys(rows["keypoint"])], key="point")
    chart = first_against_second(
        rows, first=first, second=second, value=metric, keypoint=keypoint, part=part, scale=scale
    )
    _draw(chart, key="pair", width="content")


def _show_pictures(runs: Sequence[RunResults], models: Sequence[str], edges: Edges) -> None:
    import streamlit as st

    frames = labelled_frames(runs)
    st.subheader("Frames")
    left, right = st.columns(2)
    names = [run.name for run in runs]
    orders = [*(f"errors of {name}" for name in names), *([DIFFERENCE] if len(names) > 1 else [])]
    order = left.selectbox("largest first", orders, key="order")
    if order == DIFFERENCE:
        ranked = most_different(frames, len(frames))
    else:
        ranked = worst(frames, names[orders.index(order)], len(frames))
    if not ranked:
        st.info("No frame has a label and a prediction.")
        return
    by_name = {frame.name: frame for frame in ranked}
    state = st.session_state
    if state.get("ranked_by") != order:  # the list keeps its choice otherwise
        state["ranked_by"], state["image"] = order, ranked[0].name
    frame = by_name[right.selectbox("image", list(by_name), key="image")]
    errors = ", ".join(f"{name} {frame.error_px(name):.1f} px" for name in frame.predictions)
    show_frame(frame, models=models, edges=edges, caption=f"{frame.name}: {errors}")


def _draw(chart: Any, *, key: str, width: Any = "stretch") -> None:
    import streamlit as st

    st.altair_chart(chart, theme=None, key=key, width=width)
