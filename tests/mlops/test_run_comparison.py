"""Two runs are told identical, equal within a tolerance, or different, and in what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.mlops.versions.run_comparison import (
    DIFFERENT,
    IDENTICAL,
    WITHIN,
    RunComparison,
    Tolerance,
    compare_runs,
)


def write_run(
    folder: Path, *, mean_px: float = 4.0, moved_px: float = 0.0, weight: float = 1.0
) -> Path:
    """Write what is compared of a run directory."""
    (folder / "checkpoints").mkdir(parents=True)
    numbers: dict[str, Any] = {"mean_px": mean_px, "n": 6, "keypoints": {"nose": {"mean_px": 1.0}}}
    (folder / "metrics.json").write_text(json.dumps({"labels": {"test": numbers}}))
    xy = np.arange(12, dtype=float).reshape(3, 2, 2)
    xy[..., 0] += moved_px
    xy[0, 0] = np.nan
    Predictions(
        xy_img=xy,
        confidence=np.full((3, 2), 0.5),
        keypoint_names=("nose", "tail"),
        frame_ids=np.arange(3),
        images=("a.png", "b.png", "c.png"),
        sets=("train", "test", "test"),
    ).write(folder / "predictions.csv")
    state = {"layer": torch.tensor([weight, -2.0]), "mean": torch.tensor([float("nan")])}
    torch.save({"state_dict": state, "epoch": 1}, folder / "checkpoints" / "best.ckpt")
    return folder


def compared(folder: Path, tolerance: Tolerance | None = None, **other: float) -> RunComparison:
    """Return the comparison of a run with another one."""
    before, after = write_run(folder / "before"), write_run(folder / "after", **other)
    return compare_runs(before, after, tolerance=tolerance or Tolerance())


def test_the_same_numbers_are_identical(tmp_path: Path) -> None:
    found = compared(tmp_path)
    assert found.verdict == IDENTICAL
    assert (found.num_metrics, len(found.predictions)) == (3, 1)
    assert [one.tensors for one in found.weights] == [2]


def test_distances_and_weights_are_told(tmp_path: Path) -> None:
    found = compared(tmp_path, moved_px=0.25, weight=1.5, mean_px=4.1)
    assert found.verdict == WITHIN
    assert (found.predictions[0].mean_px, found.predictions[0].largest_px) == (0.25, 0.25)
    assert found.weights[0].differing == ("layer",)
    assert found.weights[0].largest == pytest.approx(0.5 / 2.0)
    assert [n.name for n in found.metrics] == ["labels.test.mean_px"]


@pytest.mark.parametrize(
    ("tolerance", "verdict"),
    [
        (Tolerance(px=0.5, relative=0.0), DIFFERENT),
        (Tolerance(px=1.0, relative=0.0), WITHIN),
        (Tolerance(px=0.5, relative=0.3), WITHIN),
    ],
)
def test_an_error_may_differ_by_pixels_or_a_share(
    tmp_path: Path, tolerance: Tolerance, verdict: str
) -> None:
    found = compared(tmp_path, tolerance, mean_px=5.0)
    assert found.verdict == verdict
    if verdict == DIFFERENT:
        assert found.outside == ("labels.test.mean_px was 4 and is 5.",)


def test_predictions_that_lie_apart_are_different(tmp_path: Path) -> None:
    found = compared(tmp_path, moved_px=0.75)
    assert found.verdict == DIFFERENT
    assert "predictions lie 0.75 px apart on average" in found.outside[0]


def test_predictions_that_were_not_made_again_are_different(tmp_path: Path) -> None:
    before, after = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    (after / "predictions.csv").unlink()
    found = compare_runs(before, after, tolerance=Tolerance())
    assert found.outside == ("predictions.csv: it was not made again.",)


def test_other_sets_are_different(tmp_path: Path) -> None:
    before, after = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    table = Predictions.read(after / "predictions.csv")
    replace(table, sets=("test", "test", "train")).write(after / "predictions.csv")
    found = compare_runs(before, after, tolerance=Tolerance())
    assert (found.verdict, found.predictions[0].reason) == (
        DIFFERENT,
        "the frames are in other sets.",
    )


def test_an_empty_original_cannot_be_compared(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="neither metrics nor predictions nor weights"):
        compare_runs(tmp_path / "a", write_run(tmp_path / "b"), tolerance=Tolerance())
