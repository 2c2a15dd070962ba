"""Figures: tables hold what the files hold, charts compile, pictures have points in place."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vl_convert
from PIL import Image

from lightning_pose.config.schema import Config
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops.figures import over_time, tables
from lightning_pose.mlops.figures.agreement import (
    confidence_calibration,
    first_against_second,
)
from lightning_pose.mlops.figures.chart_files import Charts, packed, script_json
from lightning_pose.mlops.figures.compared import (
    calibration,
    differences,
    hard_keypoints,
)
from lightning_pose.mlops.figures.distributions import STYLES, by_keypoint
from lightning_pose.mlops.figures.frames import (
    Frame,
    labelled_frames,
    most_different,
    most_different_in_video,
    video_frame,
    worst,
)
from lightning_pose.mlops.figures.pictures import LABEL_COLOR, drawn, pictures
from lightning_pose.mlops.figures.reduction import reduced
from lightning_pose.mlops.figures.style import SCALES, color_of
from lightning_pose.mlops.report.charts import ChartPage
from lightning_pose.mlops.report.compared import of_comparison
from lightning_pose.mlops.results import Result, RunResults

NAMES = ("nose", "tail")
SETS = ("train", "test", "validation", "unused")

DIFFERENCE = {"first_px": 2.0, "second_px": 3.0, "difference_px": 1.0, "frames": 9}
DIFFERENCE |= {"low_px": -1.0, "high_px": 2.0}
UNBOUNDED = {**DIFFERENCE, "low_px": None, "high_px": None}  # of one degree of freedom too few
COMPARED = {"by_keypoint": {"nose": DIFFERENCE}, "overall": UNBOUNDED}
HARD = {
    "models": 2,
    "points": [
        {"share": 0.0, "spread_px": 0.0, "points": 40, "difference": DIFFERENCE},
        {"share": 0.5, "spread_px": 1.5, "points": 20, "difference": UNBOUNDED},
    ],
}
BIN = {"low": 0.0, "high": 0.5, "points": 7, "confidence": 0.3, "mean_px": 4.0, "within": 0.6}
EMPTY_BIN = {"low": 0.5, "high": 1.0, "points": 0, "confidence": None, "within": None}
CALIBRATION = {
    "within_px": 5.0,
    "bins": [{**BIN, "within_95": [0.2, 0.9]}, {**EMPTY_BIN, "within_95": None}],
}


def labels(root: Path, names: tuple[str, ...] = NAMES) -> LabelTable:
    """Return four labelled images; the tail is not labelled in the second."""
    xy = np.arange(4 * len(names) * 2, dtype=float).reshape(4, len(names), 2) + 5
    xy[1, -1] = np.nan
    images = tuple(f"labeled-data/s{n % 2}/img{n}.png" for n in range(4))
    return LabelTable(images=images, xy_img=xy, keypoint_names=names, root=root)


def run(name: str, root: Path, *, off: float, names: tuple[str, ...] = NAMES) -> RunResults:
    """Return a run that errs by ``off`` pixels in x, everywhere, and has predicted a video."""
    table = labels(root, names)
    shape = (4, len(names))
    xy = np.nan_to_num(table.xy_img, nan=50.0) + np.array([off, 0.0])
    images = Predictions(
        xy_img=xy,
        confidence=np.linspace(0.1, 0.9, 4 * len(names)).reshape(shape),
        keypoint_names=names,
        frame_ids=np.arange(4),
        images=table.images,
        sets=SETS,
    )
    time = np.arange(100.0)
    video = Predictions(
        xy_img=np.stack([np.stack([time, time * 0 + k + off], -1) for k in range(len(names))], 1),
        confidence=np.full((100, len(names)), 0.5),
        keypoint_names=names,
        frame_ids=np.arange(100),
    )
    jumps = MetricTable(
        name="temporal_norm",
        unit="px",
        values=np.concatenate([np.full((1, len(names)), np.nan), np.ones((99, len(names)))]),
        keypoint_names=names,
        index=tuple(range(100)),
    )
    walk = Result(
        path=root / "walk.csv",
        predictions=video,
        metrics={"temporal_norm": jumps},
        source=root / "walk.mp4",
    )
    return RunResults(
        name=name,
        folder=root,
        record=RunRecord(run_id=name),
        config=Config(),
        labeled=(Result(path=root / "predictions.csv", predictions=images, labels=table),),
        videos=(walk,),
    )


@pytest.fixture
def pair(tmp_path: Path) -> list[RunResults]:
    """Return two runs, the second twice as wrong."""
    return [run("a", tmp_path, off=2.0), run("b", tmp_path, off=4.0)]


def test_errors_are_those_of_labelled_points_of_used_images(pair: list[RunResults]) -> None:
    rows = tables.error_rows(pair)
    assert len(rows) == 2 * (3 * 2 - 1)  # one image is not used, one point not labelled
    assert set(rows[rows["model"] == "b"]["pixel_error"]) == {4.0}
    assert set(rows["set"]) == {"train", "test", "validation"}
    assert set(rows["session"]) == {"s0", "s1"}
    assert tables.judged_by(rows) == "test"


def test_images_of_new_sessions_are_a_set_of_their_own(pair: list[RunResults]) -> None:
    new = dataclasses.replace(pair[0].labeled[0], path=Path("predictions_new.csv"))
    assert set(tables.set_names(new)) == {"ood_new"}
    one_view = dataclasses.replace(new, path=Path("predictions_new_side.csv"), view="side")
    assert set(tables.set_names(one_view)) == {"ood_new"}


def test_traces_keep_every_frame_of_a_short_video(pair: list[RunResults]) -> None:
    rows = tables.trace_rows(pair, "walk", keypoints=["tail"], bins=50)
    of_first = rows[rows["model"] == "a"]
    assert of_first["frame"].tolist() == list(range(100))
    np.testing.assert_allclose(of_first["x"], np.arange(100.0))
    assert np.isnan(of_first["temporal_norm"].iloc[0])


def test_traces_of_a_part_of_a_video_begin_and_end_there(pair: list[RunResults]) -> None:
    rows = tables.trace_rows(pair, "walk", keypoints=["nose"], bins=50, within=(10, 19))
    assert rows[rows["model"] == "b"]["frame"].tolist() == list(range(10, 20))


def test_reduction_keeps_each_extreme_in_order() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1000, 2))
    values[337, 0], values[338, 0], values[700:720, 1] = 99.0, -99.0, np.nan
    places, shown = reduced(values, bins=50)
    assert len(places) == 100
    assert (np.diff(places) > 0).all()
    first, second = shown[2 * (337 // 20)], shown[2 * (337 // 20) + 1]
    assert (first[0], second[0]) == (99.0, -99.0)
    assert np.isnan(shown[70:72, 1]).all()
    assert np.nanmax(shown[:, 1]) == np.nanmax(values[:, 1])


def test_percentiles_stand_for_the_metrics_of_a_video(pair: list[RunResults]) -> None:
    rows = tables.spread_rows(pair)
    one = rows[(rows["model"] == "a") & (rows["keypoint"] == "nose")]
    assert len(one) == tables.MOST_LEVELS
    assert set(one["temporal_norm"]) == {1.0}


def test_runs_of_different_keypoints_are_told_apart(
    tmp_path: Path, pair: list[RunResults]
) -> None:
    other = run("c", tmp_path, off=1.0, names=("nose", "ear"))
    assert tables.keypoint_remark(pair) == ""
    remark = tables.keypoint_remark([*pair, other])
    assert "1 keypoints in common" in remark
    assert "tail, ear" in remark


def charts(pair: list[RunResults]) -> dict[str, Callable[[], Any]]:
    """Return what draws each figure in each of its ways."""
    errors, spread = tables.error_rows(pair), tables.spread_rows(pair)
    trace = tables.trace_rows(pair, "walk", bins=20)
    rows = [{"epoch": 1.0, "step": 5.0, "val_pixel_error": 3.0}, {"epoch": 2.0, "step": 9.0}]
    curves = tables.curve_rows({"a": rows})
    found: dict[str, Callable[[], Any]] = {
        "differences": lambda: differences(
            {"by_keypoint": {"nose": DIFFERENCE}, "overall": UNBOUNDED}
        ),
        "hard": lambda: hard_keypoints(HARD),
        "calibration": lambda: calibration({"first": CALIBRATION, "second": None}),
        "clickable": lambda: over_time.traces(trace, keypoint="nose", frame=3),
        "traces": lambda: over_time.traces(trace, keypoint="nose", controls=True),
    }
    for scale, controls in itertools.product(SCALES, (False, True)):
        ways: Any = {"scale": scale, "controls": controls}
        key = f"{scale} {controls}"
        found[f"pair {key}"] = lambda w=ways: first_against_second(
            errors, first="a", second="b", **w
        )
        found[f"confidence {key}"] = lambda w=ways: confidence_calibration(errors, **w)
        found[f"curves {scale}"] = lambda s=scale: over_time.learning_curves(curves, scale=s)
        for style in STYLES:
            found[f"errors {style} {key}"] = lambda w=ways, s=style: by_keypoint(
                errors, value="pixel_error", style=s, threshold=0.2, **w
            )
            found[f"video {style} {key}"] = lambda w=ways, s=style: by_keypoint(
                spread, value="temporal_norm", style=s, part_column="video", **w
            )
    return found


def test_every_figure_follows_the_schema_and_compiles(pair: list[RunResults]) -> None:
    for name, draw in charts(pair).items():
        spec = draw().to_dict()
        assert vl_convert.vegalite_to_vega(spec)["marks"], name


def test_figures_of_a_comparison_hold_its_numbers() -> None:
    content = Charts()
    content.spec(lambda: hard_keypoints(HARD))
    content.spec(lambda: calibration({"first": CALIBRATION, "second": None}))
    tables_drawn = [table for table in content.tables().values() if "model" in table]
    hard, shares = sorted(tables_drawn, key=lambda table: "spread_px" not in table)
    assert hard["mean_px"] == [2, 2, 3, 3]
    assert hard["high_px"] == [2, None, 2, None]
    assert (shares["confidence"], shares["share"], shares["low"]) == ([0.3], [0.6], [0.2])


def test_a_comparison_is_told_in_words_and_tables() -> None:
    table = {**CALIBRATION, "expected_error": 0.125, "brier": 0.07, "brier_95": [None, None]}
    found = {
        **COMPARED,
        "first_models": ["a"],
        "second_models": ["b", "<c>"],
        "verdict": "B errs less.",
        "remarks": ["There are 4 sessions."],
        "by_part": {"CollectedData_new": DIFFERENCE},
        "hard": HARD,
        "calibration": {"first": table, "second": None},
    }
    text = of_comparison(ChartPage(), found)
    assert "A: a; B: b, &lt;c&gt;" in text
    assert "<li>There are 4 sessions.</li>" in text
    assert "<td>CollectedData_new</td><td>2.00</td><td>3.00</td><td>+1.00</td>" in text
    assert "<td>all</td><td>2.00</td><td>3.00</td><td>+1.00</td><td>- to -</td>" in text
    assert "<td>1.5 px (50% of keypoints)</td>" in text
    assert "off by 0.12 from the share of keypoints within 5.0 px" in text
    assert "B: on average" not in text
    assert text.count('class="chart"') == 3
    nothing = {**found, "calibration": {"first": None, "second": None}}
    assert of_comparison(ChartPage(), {**nothing, "hard": {"points": []}}).count("chart") == 1


def test_a_clicked_frame_is_known_in_every_panel(pair: list[RunResults]) -> None:
    trace = tables.trace_rows(pair, "walk", bins=20)
    spec = over_time.traces(trace, keypoint="nose").to_dict()
    chosen = {param["name"]: param["views"] for param in spec["params"] if "views" in param}
    layers = [layer["name"] for panel in spec["vconcat"] for layer in panel["layer"]]
    assert len(chosen[over_time.CLICKED]) == len(chosen["zoom"]) == len(spec["vconcat"]) == 4
    assert {*chosen[over_time.CLICKED], *chosen["zoom"]} == set(layers)


def test_a_table_that_two_charts_draw_from_is_kept_once(pair: list[RunResults]) -> None:
    errors, kept = tables.error_rows(pair), Charts()
    for style in STYLES:
        spec = kept.spec(lambda s=style: by_keypoint(errors, value="pixel_error", style=s))
        assert "datasets" not in spec
    (table,) = kept.tables().values()
    assert len(table["pixel_error"]) == len(errors)


def test_tables_are_packed_and_cannot_end_a_script() -> None:
    rows = pd.DataFrame({"name": ["</script>", "b", "b"], "value": [np.nan, 1.0, 2.5]})
    assert packed(rows)["value"] == [None, 1, 2.5]
    assert packed(rows)["name"]["at"] == [0, 1, 1]
    assert "</script>" not in script_json(packed(rows))


def test_the_worst_images_are_those_not_learnt_from(pair: list[RunResults]) -> None:
    frames = labelled_frames(pair)
    assert len(frames) == 3
    shown = worst(frames, "a", 6)
    assert {Path(frame.name).name for frame in shown} == {"img1.png", "img2.png"}
    assert shown[0].error_px("b") == pytest.approx(4.0)
    assert most_different(frames, 1)[0].disagreement_px() == pytest.approx(2.0)


def test_frames_of_a_video_in_which_models_differ_most_lie_apart(tmp_path: Path) -> None:
    one, other = run("a", tmp_path, off=0.0), run("b", tmp_path, off=0.0)
    other.videos[0].predictions.xy_img[[40, 41, 90], :, 0] += [[30.0], [20.0], [10.0]]
    shown = most_different_in_video([one, other], "walk", 2)
    assert [frame.number for frame in shown] == [40, 90]
    assert video_frame([one, other], "walk", 41).disagreement_px() == pytest.approx(20.0)
    assert most_different_in_video([one], "walk", 2) == []


def test_points_are_drawn_in_place_on_an_image_that_is_not_square(tmp_path: Path) -> None:
    frame = Frame(
        name="img",
        file=tmp_path / "img.png",
        label={"nose": np.array([60.0, 10.0]), "tail": np.array([np.nan, np.nan])},
        predictions={"a": {"nose": np.array([20.0, 30.0]), "tail": np.array([np.nan, 4.0])}},
    )
    picture = drawn(np.zeros((40, 80, 3), np.uint8), frame, models=["a"], width_px=320)
    assert picture.shape == (160, 320, 3)
    ring = np.argwhere((np.abs(picture.astype(int) - LABEL_COLOR) < 40).all(-1))
    np.testing.assert_allclose(ring.mean(axis=0), (41.5, 241.5), atol=0.6)  # y, x
    cross = np.argwhere(picture[..., 2] > picture[..., 0].astype(int) + 50)
    assert color_of(0) == "#1668a7"
    np.testing.assert_allclose(cross.mean(axis=0), (121.5, 81.5), atol=0.6)


def test_an_edge_is_drawn_only_between_known_points(tmp_path: Path) -> None:
    def colored(tail: list[float]) -> int:
        pose = {"nose": np.array([10.0, 10.0]), "tail": np.array(tail)}
        frame = Frame(name="img", file=tmp_path, predictions={"a": pose})
        black = np.zeros((60, 60, 3), np.uint8)
        edges = [("nose", "tail"), ("nose", "ear")]
        return int(drawn(black, frame, models=["a"], edges=edges, width_px=120).any(-1).sum())

    assert colored([50.0, 50.0]) > 2 * colored([np.nan, 50.0]) > 0


def test_images_that_are_gone_are_said_once(tmp_path: Path) -> None:
    Image.new("RGB", (32, 16)).save(tmp_path / "there.png")
    frames = [
        Frame(name=name, file=tmp_path / name) for name in ("there.png", "gone.png", "gone.png")
    ]
    shown, missing = pictures(frames, models=[])
    assert list(shown) == ["there.png"]
    assert missing == [f"{tmp_path / 'gone.png'}: there is no such image."]
    moved = Frame(name="walk, frame 3", file=tmp_path / "walk.mp4", number=3)
    assert "The video was at" in pictures([moved], models=[])[1][0]
