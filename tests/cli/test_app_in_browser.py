"""The app as people use it: started from the command line, looked at and clicked in a browser.

The selectors are those that the page has: one that is not in the table below fails the test. Of
the page what hangs on a selector must change, and nothing else.
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lightning_pose.cli.look.showing import ADDRESS
from lightning_pose.mlops.figures.style import color_of, titled
from tests.browser import Browser, chromium
from tests.cli.app_page import (
    CHOOSE,
    LABELS,
    VIDEOS,
    State,
    opened,
    seen,
    selectors,
    unknown_controls,
)
from tests.cli.conftest import NEW_FRAMES, Done

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

PLAIN, MOVED = "plain", "moved"
FIRST_POINT = "nose_side"
DIFFERING = 3  # the frame of each video in which the runs differ most


Check = Callable[[State, str], bool]
# In this order, each on what the one before left: what changes, and what the page then says.
EFFECTS: dict[str, dict[str, tuple[str, Check]]] = {
    LABELS: {
        "scale": ("errors pair confidence", lambda s, c: c == "linear"),
        "style": ("errors", lambda s, c: c == "violin"),
        "set": ("errors pair confidence", lambda s, c: c == "train"),
        "first": ("pair", lambda s, c: f"{c}: {titled('pixel_error')}" in s.texts["pair"]),
        "second": ("pair", lambda s, c: f"{c}: {titled('pixel_error')}" in s.texts["pair"]),
        "point": ("pair", lambda s, c: c == FIRST_POINT),
        "tolerance": ("confidence", lambda s, c: s.values["tolerance"] == ["30"]),
        "order": ("picture", lambda s, c: c == f"errors of {MOVED}"),
        "image": ("picture", lambda s, c: s.caption.startswith(f"{c}: ")),
        "threshold": ("errors", lambda s, c: s.values["threshold"] == ["1"]),
        "metric": (
            "errors pair",
            lambda s, c: (
                titled(c) in s.texts["errors"]
                and f"{MOVED}: {titled(c)}" in s.texts["pair"]
                and f"{c.replace('_', ' ')} by keypoint" in s.headings
            ),
        ),
        "keypoints": (  # the pair shows this one alone already; its axes end elsewhere now
            "errors pair confidence",
            lambda s, c: [t for t in s.texts["errors"] if t.endswith(("_side", "_below"))] == [c],
        ),
        "models": (
            "errors pair confidence picture",
            lambda s, c: c not in s.texts["errors"] and "pair" not in s.parts,
        ),
    },
    VIDEOS: {
        "video_style": ("spread", lambda s, c: c == "violin"),
        "video_scale": ("spread", lambda s, c: c == "linear"),
        "video_metric": ("spread", lambda s, c: titled(c) in s.texts["spread"]),
        "video_keypoint": ("traces", lambda s, c: c != FIRST_POINT),
        "quantities": (
            "traces",
            lambda s, c: titled(c) in s.texts["traces"] and "confidence" not in s.texts["traces"],
        ),
        "within": ("traces", lambda s, c: s.values["within"] == ["1", str(NEW_FRAMES - 1)]),
        "frame": (
            "traces picture",
            lambda s, c: s.caption.endswith(f", frame {NEW_FRAMES - 1}"),
        ),
        "differing": (
            "traces picture",
            lambda s, c: (
                c == str(DIFFERING)
                and s.caption.endswith(f", frame {c}")
                and s.values["frame"] == [c]
            ),
        ),
        "video": ("traces spread picture", lambda s, c: s.caption == f"{c}, frame 0"),
        "models": ("traces spread picture", lambda s, c: c not in s.texts["traces"]),
    },
}


@pytest.fixture(scope="module")
def address(trained: Done, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a run and one that predicts otherwise, each with videos in a folder of its own."""
    folder = tmp_path_factory.mktemp("runs")
    runs = [Path(copytree(trained.run_dir, folder / name)) for name in (PLAIN, MOVED)]
    for number, run in enumerate(runs):
        _rename(run, f"{number:032x}")
        if number:
            _move_points(run)
        (run / "video_preds").rename(folder / f"videos_{run.name}")
    with socket.socket() as free:
        free.bind((ADDRESS, 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "lightning_pose.cli.main", "app", *map(str, runs)]
    words += ["--videos", *(str(folder / f"videos_{run.name}") for run in runs)]
    with subprocess.Popen([*words, "--port", str(port)], cwd=folder, env=dict(os.environ)) as app:
        try:
            _wait_for_port(port)
            yield f"http://{ADDRESS}:{port}"
        finally:
            app.terminate()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a page of a browser."""
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.mark.parametrize("page", EFFECTS)
def test_every_selector_changes_what_hangs_on_it(
    browser: Browser, address: str, page: str
) -> None:
    before = opened(browser, address, page)
    there = selectors(browser)
    assert set(there) == {"page", *EFFECTS[page]}
    assert unknown_controls(browser) == []
    for key, (changes, is_right) in EFFECTS[page].items():
        chosen = CHOOSE[there[key]](browser, key)
        after = seen(browser, unlike=before, after=f"{key}: {chosen}")
        names = {*before.parts, *after.parts}
        changed = {name for name in names if before.parts.get(name) != after.parts.get(name)}
        assert changed == set(changes.split()), f"{key}: {chosen} changed {sorted(changed)}"
        assert is_right(after, chosen), (key, chosen, after.texts, after.caption, after.values)
        before = after


def test_a_click_in_a_trace_shows_its_frame_with_the_predictions(
    browser: Browser, address: str
) -> None:
    state = opened(browser, address, VIDEOS)
    frames = []
    for share in (0.4, 0.9):
        left, top, width, height = browser.value(
            "(r => [r.x, r.y, r.width, r.height])"
            "(document.querySelector('svg.marks').getBoundingClientRect())"
        )
        browser.click(left + share * width, top + 0.1 * height)
        state = seen(browser, unlike=state, after="a click in the traces")
        frames.append(int(state.caption.rpartition(" ")[2]))
        assert state.values["frame"] == [str(frames[-1])]
    assert 0 < frames[0] < frames[1] < NEW_FRAMES
    with urllib.request.urlopen(state.parts["picture"], timeout=60) as picture:
        pixels = np.asarray(Image.open(io.BytesIO(picture.read())).convert("RGB"), dtype=int)
    for model in range(2):
        wanted = [int(color_of(model)[place : place + 2], 16) for place in (1, 3, 5)]
        assert (np.abs(pixels - wanted).max(axis=-1) < 40).sum() > 50


def _rename(run: Path, run_id: str) -> None:
    """Make a copy of a run another run."""
    record = run / "run.json"
    old = json.loads(record.read_text())["run_id"]
    for path in (record, *(run / "video_preds").glob("*.litpose.json")):
        path.write_text(re.sub(old, run_id, path.read_text()))


def _move_points(run: Path) -> None:
    """Let a run predict otherwise: each frame by a distance of its own."""
    rng = np.random.default_rng(1)
    videos = list((run / "video_preds").glob("*[0-9].csv"))
    for path in (run / "predictions.csv", run / "predictions_new.csv", *videos):
        table = pd.read_csv(path, header=[0, 1, 2], index_col=0)
        of_points = table.columns.get_level_values(-1).isin(["x", "y"])
        moved = rng.uniform(3, 90, len(table))
        if path in videos:
            moved[DIFFERING] = 100
        elif path.stem == "predictions_new":  # the best image becomes the worst
            errors = pd.read_csv(run / "predictions_new_pixel_error.csv", index_col=0)
            moved[int(errors.mean(axis=1, numeric_only=True).argmin())] = 400
        table.loc[:, of_points] = table.loc[:, of_points] + moved[:, None]
        table.to_csv(path)
    for path in run.glob("predictions*_pixel_error.csv"):
        path.unlink()  # of the points before; errors are then taken from labels and predictions


def _wait_for_port(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as tried:
            if tried.connect_ex((ADDRESS, port)) == 0:
                return
        time.sleep(0.3)
    raise AssertionError("the app is not served within a minute")
