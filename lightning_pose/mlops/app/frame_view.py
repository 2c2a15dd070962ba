"""A frame with labels and predictions drawn in, or a sentence on why it cannot be shown."""

from __future__ import annotations

import html
from collections.abc import Sequence

from lightning_pose.contracts.errors import LitposeError
from lightning_pose.mlops.figures.frames import Frame
from lightning_pose.mlops.figures.pictures import drawn, read_frame
from lightning_pose.mlops.figures.style import color_of
from lightning_pose.mlops.skeleton import Edges

WIDTH_PX = 760


def show_frame(frame: Frame, *, models: Sequence[str], edges: Edges, caption: str) -> None:
    """Draw a frame.

    Args:
        frame: an image, or a frame of a video.
        models: names of all, in the order of their colours.
        edges: pairs of keypoints to join.
        caption: under the picture.
    """
    import streamlit as st

    try:
        pixels = read_frame(frame)
    except LitposeError as error:
        st.warning(str(error))
        return
    st.image(drawn(pixels, frame, models=models, edges=edges, width_px=WIDTH_PX), caption=caption)
    names = [name for name in models if name in frame.predictions]
    dots = "".join(
        f'<span style="color:{color_of(models.index(name))}">&times; {html.escape(name)}</span> '
        for name in names
    )
    rings = '<span style="color:#d4b106">&#9675; label</span>' if frame.label else ""
    st.markdown(f"{dots}{rings}", unsafe_allow_html=True)
