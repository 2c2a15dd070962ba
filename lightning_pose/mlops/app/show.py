"""The app as a whole: which runs, and which of its two pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lightning_pose.mlops.app.labels_page import show_labels
from lightning_pose.mlops.app.videos_page import show_videos
from lightning_pose.mlops.figures.tables import keypoint_remark
from lightning_pose.mlops.results import RunResults
from lightning_pose.mlops.skeleton import Edges

PAGES: dict[str, Callable[..., None]] = {"labelled frames": show_labels, "videos": show_videos}


def show(runs: Sequence[RunResults], *, edges: Edges = ()) -> None:
    """Draw the app for runs; Streamlit calls this again whenever something is chosen.

    Args:
        runs: at least one.
        edges: pairs of keypoints to join in pictures.
    """
    import streamlit as st

    st.set_page_config(page_title="litpose", layout="wide")
    names = [run.name for run in runs]
    with st.sidebar:
        page = st.radio("page", list(PAGES), key="page")
        chosen = st.multiselect("models", names, default=names, key="models")
    shown = [run for run in runs if run.name in chosen]
    if not shown:
        st.info("Choose a model at the left.")
        return
    remark = keypoint_remark(shown)
    if remark:
        st.info(remark)
    PAGES[page](shown, models=names, edges=edges)
