"""Comparing two models, and the page about them, through the program itself."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.data.labels import read_labels
from tests.browser import chromium
from tests.cli.conftest import Done, litpose

CHOOSE_LAST = (  # of a list; the first one is shown
    "(s => {{s.selectedIndex = s.options.length - 1;"
    " s.dispatchEvent(new Event('change', {{bubbles: true}}))}})({})"
)
SCRIPT = re.compile(r"<script[^>]*>.*?</script>", re.S)


@pytest.fixture(scope="module")
def compared(trained_twice: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a comparison of two trainings wrote."""
    out = tmp_path_factory.mktemp("compared")
    done = litpose("compare", *trained_twice, "--out", out)
    assert done.code == 0, done.err
    assert "95 % interval" in done.out.splitlines()[-1]
    assert "A model of A and one of B hold the same weights" in done.sentences
    return out


@pytest.fixture(scope="module")
def trained_twice(trained: Done, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a run and a copy of it, which a comparison cannot tell apart."""
    run_dir = trained.run_dir
    return run_dir, Path(shutil.copytree(run_dir, tmp_path_factory.mktemp("runs") / "twin"))


def test_a_model_is_no_better_than_itself(compared: Path) -> None:
    found = json.loads((compared / "comparison.json").read_text())
    assert found["overall"]["difference_px"] == 0
    assert found["verdict"].startswith("No difference between the trained models A and B is shown")
    assert found["claim"] == "trained models"


def test_errors_are_those_of_frames_that_were_not_learnt_from(
    compared: Path, run_dir: Path
) -> None:
    predictions = Predictions.read(run_dir / "predictions.csv")
    labels = read_labels(run_dir / "labels.csv", data_dir=run_dir)
    unseen = np.isin(predictions.sets, ("test", "unused"))
    error = np.linalg.norm(predictions.xy_img - labels.xy_img, axis=-1)[unseen]
    found = json.loads((compared / "comparison.json").read_text())["by_part"]
    assert list(found) == ["CollectedData", "CollectedData_new"]
    held_out = found["CollectedData"]
    assert held_out["frames"] == int(np.isfinite(error).any(axis=1).sum())
    assert held_out["first_px"] == pytest.approx(np.nanmean(error, axis=1).mean(), abs=0.01)
    assert found["CollectedData_new"]["frames"] == 3
    overall = json.loads((compared / "overall.json").read_text())
    assert overall["frames"] == held_out["frames"] + 3


def test_a_row_for_every_keypoint_can_be_plotted(compared: Path) -> None:
    with (compared / "keypoints.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    assert all(float(row["low_px"]) <= float(row["high_px"]) for row in rows)


@pytest.fixture(scope="module")
def seeds(trained: Done, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return six runs whose weights differ as those of other seeds do, the last of more epochs."""
    folder = tmp_path_factory.mktemp("seeds")
    runs = [Path(shutil.copytree(trained.run_dir, folder / f"run{n}")) for n in range(6)]
    for number, run in enumerate(runs):
        file = run / "checkpoints" / "best.ckpt"
        weights = torch.load(file, weights_only=True)
        for tensor in weights["state_dict"].values():
            if tensor.ndim == 4:
                generator = torch.Generator().manual_seed(number)
                tensor *= 1 + 0.01 * torch.randn(tensor.shape, generator=generator)
        torch.save(weights, file)
    config = runs[5] / "config.yaml"
    config.write_text(config.read_text().replace("max_epochs: 2", "max_epochs: 3"))
    return runs


def test_configurations_are_compared_by_three_seeds_a_side(
    seeds: list[Path], tmp_path: Path
) -> None:
    done = litpose("compare", "--a", *seeds[:3], "--b", *seeds[3:], "--out", tmp_path, "--json")
    assert done.code == 0, done.err
    assert done.json["claim"] == "configurations"
    assert "configuration" in done.json["verdict"]
    assert "3 and 3 seeds" in done.json["verdict"]
    assert done.json["first_models"] == [str(run) for run in seeds[:3]]
    assert done.json["hard"]["models"] == 6
    assert "The runs of B differ in more than their seeds: training.max_epochs" in done.sentences
    assert "The runs of A" not in done.sentences
    assert "hold the same weights" not in done.sentences
    one = litpose("compare", seeds[0], seeds[3], "--json").json
    assert one["overall"]["degrees"] != done.json["overall"]["degrees"]


def test_what_is_no_comparison_is_said(seeds: list[Path], run_dir: Path) -> None:
    few = litpose("compare", "--a", *seeds[:2], "--b", *seeds[3:])
    assert (few.code, few.out) == (2, "")
    assert "3 runs a side or more, with different seeds; got 2 and 3" in few.sentences
    same = litpose("compare", "--a", *[seeds[0]] * 3, "--b", *seeds[3:])
    assert same.code == 2
    assert "hold the same weights" in same.sentences
    alone = litpose("compare", run_dir)
    assert alone.code == 2
    assert "Name two models" in alone.sentences
    files = litpose("compare", run_dir, run_dir, "--csv", "a.csv", "b.csv")
    assert files.code == 2
    assert "each further set of labels by a --csv of its own" in files.sentences


@pytest.fixture(scope="module")
def page(
    compared: Path, trained_twice: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the report on a run and its twin."""
    out = tmp_path_factory.mktemp("page") / "page.html"
    edge = ("--edge", "nose_side", "tail_base_side")
    done = litpose("report", *trained_twice, "--comparison", compared, *edge, "--out", out)
    assert done.code == 0, done.err
    return out


def test_the_report_is_one_file_without_a_network(page: Path) -> None:
    text = page.read_text()
    outside = re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*", SCRIPT.sub("", text))
    assert not outside
    assert len(text) < 5e6
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    for heading in (
        "Errors",
        "Comparison",
        "Learning curves",
        "Error by keypoint",
        "One model against another",
        "Confidence",
        "Metrics on videos",
        "Traces: walk3",
        "Where the runs came from",
    ):
        assert heading in headings
    assert sum(heading.startswith("Worst frames") for heading in headings) == 2
    assert "No difference between the trained models A and B is shown" in text
    assert "checkpoint" in text


def test_the_report_tells_and_draws_all_that_a_comparison_found(
    page: Path, compared: Path
) -> None:
    text = page.read_text()
    found = json.loads((compared / "comparison.json").read_text())
    shown = html.unescape(SCRIPT.sub("", text))
    assert found["remarks"]
    for remark in found["remarks"]:
        assert f"<li>{remark}</li>" in shown
    for side in ("first", "second"):
        table = found["calibration"][side]
        assert f"off by {table['expected_error']:.2f} from the share of keypoints" in shown
    assert "<h3>Hard keypoints</h3>" in shown
    assert set(found["by_part"]) <= set(re.findall(r"<td>(\w+)</td>", shown))
    charts = json.loads(re.findall(r'<script id="charts"[^>]*>(.*?)</script>', text)[0])
    drawn = [table for table in charts["tables"].values() if "spread_px" in table]
    points = found["hard"]["points"]
    assert drawn[-1]["share"] == [point["share"] for point in points]
    np.testing.assert_allclose(
        drawn[-1]["first_px"], [point["difference"]["first_px"] for point in points]
    )


def test_a_comparison_of_an_older_version_is_to_be_made_again(
    run_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "comparison.json").write_text('{"verdict": "", "by_keypoint": {}}')
    done = litpose("report", run_dir, "--comparison", tmp_path)
    assert done.code == 1
    assert "lacks remarks, hard, calibration: an older litpose wrote it" in done.sentences


def test_what_the_report_draws_is_what_the_run_has(page: Path, run_dir: Path) -> None:
    content = json.loads(
        re.findall(r'<script id="charts"[^>]*>(.*?)</script>', page.read_text())[0]
    )
    errors = next(table for table in content["tables"].values() if "image" in table)
    table = pd.read_csv(run_dir / "predictions_pixel_error.csv", index_col=0)
    used = table[table.pop("set") != "unused"]
    new = pd.read_csv(run_dir / "predictions_new_pixel_error.csv", index_col=0)
    new.pop("set")
    known = np.concatenate([used.to_numpy().ravel(), new.to_numpy().ravel()])
    expected = np.sort(np.tile(known[np.isfinite(known)], 2))
    np.testing.assert_allclose(np.sort(errors["pixel_error"]), expected, atol=0.006)


def test_the_report_of_a_run_is_left_and_tells_how_it_ended(run_dir: Path) -> None:
    text = (run_dir / "report.html").read_text()
    record = json.loads((run_dir / "run.json").read_text())
    assert f"{record['run_id']}, finished" in text
    assert record["checkpoint"]["sha256"] in text


def test_keys_that_differ_are_listed_and_no_others(run_dir: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run_dir, tmp_path / "other"))
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(
        config.replace("train_batch_size: 4", "train_batch_size: 5")
    )
    done = litpose("report", run_dir, other, "--out", tmp_path / "page.html")
    assert done.code == 0, done.err
    text = (tmp_path / "page.html").read_text()
    listed = re.findall(r"<td><code>(.*?)</code></td><td>(.*?)</td><td>(.*?)</td>", text)
    assert listed == [("training.train_batch_size", "4", "5")]


def test_predictions_of_another_run_are_not_taken(run_dir: Path, tmp_path: Path) -> None:
    done = litpose("report", run_dir, "--videos", tmp_path)
    assert done.code == 1
    assert "holds no predictions of these runs" in done.sentences


def test_an_edge_to_an_unknown_keypoint_is_refused(run_dir: Path) -> None:
    done = litpose("report", run_dir, "--edge", "nose_side", "wing")
    assert done.code == 2
    assert "no run has a keypoint wing" in done.sentences


@pytest.mark.long
def test_a_browser_draws_every_figure_of_the_page(page: Path, tmp_path: Path) -> None:
    with chromium(tmp_path / "chromium") as browser:
        browser.open(page.as_uri())
        browser.wait_for("document.readyState === 'complete' && window.vegaEmbed")
        figures = "document.querySelectorAll('.chart')"
        number = browser.value(f"{figures}.length")
        assert number >= 9
        for place in range(number):
            figure = f"{figures}[{place}]"
            browser.value(f"{figure}.scrollIntoView()")
            drawing = f"{figure}.querySelector('svg.marks')"
            browser.wait_for(drawing)
            lists = f"{figure}.querySelectorAll('select[data-option]')"
            for option in range(browser.value(f"{lists}.length")):
                browser.value(f"window.before = {drawing}.outerHTML, 0")
                browser.value(CHOOSE_LAST.format(f"{lists}[{option}]"))
                browser.wait_for(f"{drawing} && {drawing}.outerHTML !== window.before")
        assert browser.faults == []


def test_a_run_that_was_stopped_is_not_reported(run_dir: Path, tmp_path: Path) -> None:
    stopped = Path(shutil.copytree(run_dir, tmp_path / "stopped"))
    (stopped / "metrics.json").unlink()
    done = litpose("report", stopped)
    assert done.code == 1
    assert "metrics.json cannot be read" in done.sentences


def test_a_comparison_that_is_not_there_is_said(run_dir: Path, tmp_path: Path) -> None:
    done = litpose("report", run_dir, "--comparison", tmp_path)
    assert done.code == 1
    assert "litpose compare A B --out" in done.sentences


def test_learning_curves_have_a_row_for_each_validation(run_dir: Path) -> None:
    with (run_dir / "learning_curves.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {"epoch", "step", "val_pixel_error"} <= set(rows[0])
    best = min(float(row["val_pixel_error"]) for row in rows)
    record = json.loads((run_dir / "run.json").read_text())
    assert best == pytest.approx(record["metrics"]["val_pixel_error"], rel=1e-4)


def test_scores_and_keypoints_are_written_for_versions(run_dir: Path, tmp_path: Path) -> None:
    scores, keypoints = tmp_path / "scores.json", tmp_path / "keypoints.csv"
    done = litpose("evaluate", run_dir, "--scores", scores, "--by-keypoint", keypoints, "--json")
    assert done.code == 0, done.err
    found = json.loads(scores.read_text())
    assert found["train"]["mean_px"] == pytest.approx(done.json["train"]["mean_px"], abs=1e-3)
    with keypoints.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert 0 < len(rows) <= 14
    assert len({row["set"] for row in rows}) == 1
