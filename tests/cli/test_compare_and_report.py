"""Comparing two models, and the page about them, through the program itself."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.data.labels import read_labels
from tests.cli.conftest import Done, litpose


@pytest.fixture(scope="module")
def compared(trained_twice: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a comparison of two trainings wrote."""
    out = tmp_path_factory.mktemp("compared")
    done = litpose("compare", *trained_twice, "--out", out)
    assert done.code == 0, done.err
    assert "95 % interval" in done.out.splitlines()[-1]
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


def test_the_report_is_one_file_without_a_network(
    compared: Path, trained_twice: tuple[Path, Path], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    done = litpose("report", *trained_twice, "--comparison", compared, "--out", page)
    assert done.code == 0, done.err
    text = page.read_text()
    outside = re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*", text)
    assert not outside
    for heading in ("Errors", "Comparison", "Learning curves", "Error by keypoint"):
        assert f"<h2>{heading}</h2>" in text
    assert "No difference between the trained models A and B is shown" in text
    assert "checkpoint" in text


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
