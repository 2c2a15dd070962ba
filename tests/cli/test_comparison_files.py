"""The files of a comparison: numbers as they are, and none where there is no interval."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np

from lightning_pose.cli.judge.comparing import Findings, write_comparison
from lightning_pose.metrics.comparison import compare_errors
from lightning_pose.metrics.hard_keypoints import HardCurve
from lightning_pose.mlops.report.charts import ChartPage
from lightning_pose.mlops.report.compared import of_comparison


def found_by(sessions: int, noise_px: float) -> Findings:
    """Return what a comparison finds where the second model errs a pixel less in all sessions."""
    rng = np.random.default_rng(0)
    first = rng.uniform(4, 6, (sessions, 2))
    second = first - 1 + rng.normal(0, noise_px, first.shape)
    images = [f"s{row}/img.png" for row in range(sessions)]
    return Findings(
        names=("a", "b"),
        models=(("a",), ("b",)),
        comparison=compare_errors([first], [second], images=images, keypoint_names=["x", "y"]),
        hard=HardCurve(models=2, points=()),
        calibration=(None, None),
        scores=({}, {}),
    )


def test_small_p_values_are_written_as_they_are(tmp_path: Path) -> None:
    found = found_by(30, 0.3)
    write_comparison(tmp_path, found)
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert 0 < written["overall"]["p_value"] == found.comparison.overall.p_value < 1e-5
    for name, one in written["by_keypoint"].items():
        assert 0 < one["adjusted_p"] == found.comparison.adjusted_p[name] < 1e-5
    with (tmp_path / "keypoints.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["p_value"]) for row in rows] == [
        one.p_value for one in found.comparison.by_keypoint.values()
    ]


def test_an_interval_without_bounds_is_written_as_none(tmp_path: Path) -> None:
    write_comparison(tmp_path, found_by(2, 0.0))
    text = (tmp_path / "comparison.json").read_text()
    assert json.loads(text)["overall"]["low_px"] is None
    assert not re.search("Infinity|NaN", text)
    page = ChartPage()
    assert "- to -" in of_comparison(page, json.loads(text))
