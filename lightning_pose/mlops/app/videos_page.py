"""The page on videos: traces, the frame behind a place in them, and how metrics spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning_pose.mlops.app.frame_view import show_frame
from lightning_pose.mlops.figures.distributions import BOX, VIOLIN, by_keypoint
from lightning_pose.mlops.figures.frames import most_different_in_video, video_frame
from lightning_pose.mlops.figures.over_time import CLICKED, traces
from lightning_pose.mlops.figures.style import SCALES
from lightning_pose.mlops.figures.tables import (
    CONFIDENCE,
    COORDINATES,
    keypoint_names,
    metric_columns,
    spread_rows,
    trace_rows,
    video_names,
)
from lightning_pose.mlops.results import RunResults
from lightning_pose.mlops.skeleton import Edges

BINS = 800  # of the time axis: 1600 points of each trace
DIFFERING = 10
CHART_WIDTH = 400


def show_videos(runs: Sequence[RunResults], *, models: Sequence[str], edges: Edges) -> None:
    """Draw the page.

    Args:
        runs: those chosen.
        models: names of all, in the order of their colours.
        edges: pairs of keypoints to join in pictures.
    """
    import streamlit as st

    videos = video_names(runs)
    if not videos:
        st.info(
            "These runs have predicted no video. Make predictions with `litpose predict RUN VIDEO "
            "--out DIR` and name the folder with --videos."
        )
        return
    with st.sidebar:
        video = st.selectbox("video", videos, key="video", on_change=_forget_frame)
        found = [one for run in runs for one in run.videos if one.stem == video]
        keypoint = st.selectbox("keypoint", _common(found), key="video_keypoint")
        last = int(max(one.predictions.frame_ids.max(initial=0) for one in found))
        within = st.slider("frames", 0, max(1, last), (0, max(1, last)), key=f"within_{video}")
    rows = trace_rows(runs, video, keypoints=[keypoint], bins=BINS, within=within)
    known = [*COORDINATES, *metric_columns(rows)]
    with st.sidebar:
        shown = st.multiselect("quantities (none: all)", known, key="quantities")
    left, right = st.columns([4, 3])
    with right:
        _choose_frame(runs, video, last)
        frame = video_frame(runs, video, st.session_state["frame"])
        show_frame(frame, models=models, edges=edges, caption=frame.name)
    with left:
        marked = None if st.session_state.get("by_click") else st.session_state["frame"]
        chart = traces(rows, keypoint=keypoint, quantities=shown, frame=marked, width=CHART_WIDTH)
        st.altair_chart(
            chart, theme=None, key="traces", on_select=_clicked, selection_mode=CLICKED
        )
        st.caption("Click to see a frame. Drag along time, turn the wheel to stretch it.")
    _show_spread(runs, video)


def _common(found: Sequence[Any]) -> list[str]:
    """Return the keypoints that every prediction of the video has."""
    names = [keypoint_names([one]) for one in found]
    return [name for name in names[0] if all(name in others for others in names)]


def _choose_frame(runs: Sequence[RunResults], video: str, last: int) -> None:
    """Draw what a frame is chosen with; its number is ``frame`` of the session."""
    import streamlit as st

    state = st.session_state
    state["frame"] = min(int(state.get("frame", 0)), last)
    st.slider("frame", 0, max(1, last), key="frame", on_change=_slid)
    differing = [f.number for f in most_different_in_video(runs, video, DIFFERING)]
    if differing:
        label = "frames in which the models differ most"
        st.selectbox(label, differing, index=None, key="differing", on_change=_jumped)


def _clicked() -> None:
    """Go to the frame of a trace that was clicked."""
    import streamlit as st

    points = st.session_state["traces"]["selection"].get(CLICKED) or []
    if points and "frame" in points[0]:
        go_to(int(points[0]["frame"]), by_click=True)


def _jumped() -> None:
    import streamlit as st

    if st.session_state["differing"] is not None:
        go_to(int(st.session_state["differing"]), by_click=False)


def _slid() -> None:
    import streamlit as st

    st.session_state["by_click"] = False


def _forget_frame() -> None:
    go_to(0, by_click=False)


def go_to(frame: int, *, by_click: bool) -> None:
    """Show a frame.

    Args:
        frame: its number.
        by_click: whether the chart marks it by itself: drawing it anew would undo its zoom.
    """
    import streamlit as st

    st.session_state["frame"] = frame
    st.session_state["by_click"] = by_click


def _show_spread(runs: Sequence[RunResults], video: str) -> None:
    import streamlit as st

    rows = spread_rows(runs, videos=[video])
    names = sorted(metric_columns(rows), key=lambda name: name == CONFIDENCE)
    st.subheader("Metrics of the whole video")
    left, middle, right = st.columns(3)
    metric = left.selectbox("metric", names, key="video_metric")
    style = middle.radio("style", (BOX, VIOLIN), horizontal=True, key="video_style")
    scale = right.radio("scale", SCALES, horizontal=True, key="video_scale")
    chart = by_keypoint(rows, value=metric, style=style, scale=scale, part_column="video")
    st.altair_chart(chart, theme=None, key="spread")
