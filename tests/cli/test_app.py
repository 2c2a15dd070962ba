"""The app: every selector draws its page, and what is wrong is told in a sentence."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from lightning_pose.cli.look.showing import ADDRESS
from tests.cli.conftest import Done, litpose

LABELS = {"page", "models", "metric", "set", "keypoints", "style", "scale", "threshold"}
LABELS |= {"first", "second", "point", "tolerance", "order", "image"}
VIDEOS = {"page", "models", "video", "video_keypoint", "quantities", "frame", "differing"}
VIDEOS |= {"video_metric", "video_style", "video_scale"}


@pytest.fixture(autouse=True)
def own_main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give back the main module, which Streamlit replaces and new processes are made from."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


def script(runs: list[str], videos: list[str]) -> None:
    """Draw the app, as Streamlit would."""
    from lightning_pose.cli.look.app_script import show_runs

    show_runs(runs, videos)


def opened(*runs: Path, page: str = "labelled frames") -> AppTest:
    """Return the app after it drew a page."""
    app = AppTest.from_function(script, args=([str(run) for run in runs], []), default_timeout=60)
    app.run()
    if page != "labelled frames":
        app.radio(key="page").set_value(page).run()
    assert not app.exception, app.exception
    return app


@pytest.fixture(scope="module")
def pair(trained: Done, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a run, and a copy that predicts its first point 7 px further right."""
    twin = Path(shutil.copytree(trained.run_dir, tmp_path_factory.mktemp("runs") / "twin"))
    for path in (twin / "predictions.csv", *(twin / "video_preds").glob("*[0-9].csv")):
        table = pd.read_csv(path, header=[0, 1, 2], index_col=0)
        table.iloc[:, 0] += 7.0
        table.to_csv(path)
    return trained.run_dir, twin


def keys(app: AppTest) -> set[str]:
    """Return the names of all selectors on the page."""
    widgets = [*app.selectbox, *app.radio, *app.multiselect, *app.slider]
    return {str(widget.key) for widget in widgets}


def exercise(app: AppTest) -> int:
    """Choose up to three values of every selector in turn; return how many were chosen."""
    chosen = 0
    for kind in ("selectbox", "radio", "multiselect", "slider"):
        for key in [widget.key for widget in getattr(app, kind) if widget.key != "page"]:
            widget = getattr(app, kind)(key=key)
            values = list(getattr(widget, "options", ()))[:3]
            if kind == "slider":
                ends = (widget.min, widget.max)
                values = [ends] if isinstance(widget.value, tuple | list) else list(ends)
            for value in values:
                picked = [value] if kind == "multiselect" else value
                if key == "differing":
                    picked = int(value)
                getattr(app, kind)(key=key).set_value(picked).run()
                assert not app.exception, (key, value, app.exception)
                chosen += 1
            if kind == "multiselect":
                names = [str(one) for one in widget.options]
                getattr(app, kind)(key=key).set_value(names).run()
    return chosen


def test_every_selector_of_labelled_frames_draws_the_page(pair: tuple[Path, Path]) -> None:
    app = opened(*pair)
    assert keys(app) == LABELS
    assert exercise(app) > 25
    assert keys(app) == LABELS


def test_every_selector_of_videos_draws_the_page(pair: tuple[Path, Path]) -> None:
    app = opened(*pair, page="videos")
    own = {key for key in keys(app) if not key.startswith("within_")}
    assert own == VIDEOS
    assert exercise(app) > 15


def test_another_order_of_images_shows_its_first(pair: tuple[Path, Path]) -> None:
    app = opened(*pair)
    shown = []
    for order in app.selectbox(key="order").options:
        app.selectbox(key="order").set_value(order).run()
        image = app.selectbox(key="image")
        assert image.value == image.options[0]
        shown.append(image.value)
    other = next(name for name in app.selectbox(key="image").options if name != shown[0])
    app.selectbox(key="image").set_value(other).run()
    app.selectbox(key="order").set_value(app.selectbox(key="order").options[0]).run()
    assert app.selectbox(key="image").value == shown[0]


def test_a_frame_where_models_differ_is_jumped_to(pair: tuple[Path, Path]) -> None:
    app = opened(*pair, page="videos")
    frame = int(app.selectbox(key="differing").options[0])
    app.selectbox(key="differing").set_value(frame).run()
    assert app.slider(key="frame").value == frame
    assert any(f", frame {frame}" in str(one.proto) for one in app.get("image"))


def test_without_a_model_the_app_asks_for_one(pair: tuple[Path, Path]) -> None:
    app = opened(*pair)
    app.multiselect(key="models").set_value([]).run()
    assert [info.value for info in app.info] == ["Choose a model at the left."]


def test_a_video_that_moved_has_traces_and_tells_where_it_was(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(pair[0], tmp_path / "run"))
    for note in (run / "video_preds").glob("*.litpose.json"):
        text = note.read_text()
        note.write_text(text.replace("/videos/", "/moved/"))
    app = opened(run, page="videos")
    (warning,) = app.warning
    assert "The video was at" in warning.value
    assert "/moved/" in warning.value
    assert app.get("vega_lite_chart")


def test_runs_of_different_keypoints_compare_by_what_they_share(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    other = Path(shutil.copytree(pair[0], tmp_path / "other"))
    for path in other.rglob("*.csv"):
        path.write_text(path.read_text().replace("nose_side", "snout_side"))
    app = opened(pair[0], other)
    (info,) = app.info
    assert "13 keypoints in common" in info.value
    assert "nose_side, snout_side" in info.value
    assert "nose_side" not in app.multiselect(key="keypoints").options


def test_a_port_that_is_taken_is_said(run_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind((ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = litpose("app", run_dir, "--port", port)
    assert done.code == 2
    assert f"Port {port} of this machine is taken" in done.sentences
    assert litpose("app", run_dir, "--port", 700000).code == 2


def test_a_folder_that_is_no_run_is_said(tmp_path: Path) -> None:
    done = litpose("app", tmp_path)
    assert done.code == 1
    assert f"{tmp_path} is no run directory" in done.sentences


@pytest.mark.long
def test_the_app_is_served_to_this_machine_alone(run_dir: Path) -> None:
    with socket.socket() as free:
        free.bind((ADDRESS, 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "lightning_pose.cli.main", "app", str(run_dir)]
    with subprocess.Popen([*words, "--port", str(port)], stdout=subprocess.PIPE) as served:
        try:
            _wait_for(f"http://{ADDRESS}:{port}/_stcore/health")
            listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
            mine = [line.split()[1] for line in listening.splitlines() if f":{port:04X} " in line]
            assert {place.split(":")[0] for place in mine} <= {"0100007F"}
        finally:
            served.terminate()


def _wait_for(address: str) -> None:
    for _ in range(120):
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{address} does not answer")
