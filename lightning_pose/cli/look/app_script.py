"""What Streamlit runs for `litpose app`: the words after it are runs and folders, as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from lightning_pose.cli.look.reading_runs import read_runs
from lightning_pose.mlops.app.show import show


def show_runs(
    runs: Sequence[str], videos: Sequence[str], edges: Sequence[tuple[str, str]] = ()
) -> None:
    """Draw the app for runs; their files are read once."""
    import streamlit as st

    read = st.cache_resource(show_spinner=False)(read_runs)
    show(read([Path(run) for run in runs], [Path(folder) for folder in videos]), edges=edges)


if __name__ == "__main__":
    show_runs(**json.loads(sys.argv[1]))
