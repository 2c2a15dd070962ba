"""What a run says of images and videos is read from the files it left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import DataError
from lightning_pose.mlops.results import RunResults, distinct_names, read_run_results
from tests.cli.conftest import NEW_FRAMES, VIDEO_FRAMES


def test_errors_of_a_run_are_the_distances_of_its_predictions_from_its_labels(
    run_dir: Path,
) -> None:
    results = _results(run_dir)
    for result in results.labeled:
        assert result.labels is not None
        distance = np.linalg.norm(result.predictions.xy_img - result.labels.xy_img, axis=-1)
        np.testing.assert_allclose(result.metrics["pixel_error"].values, distance, atol=1e-3)
        assert all(result.labels.path(row).is_file() for row in range(len(result.labels)))
    assert [result.stem for result in results.labeled] == ["predictions", "predictions_new"]


def test_videos_of_a_run_are_found_with_their_metrics(run_dir: Path, toy: Path) -> None:
    results = _results(run_dir)
    frames = {result.stem: len(result.predictions) for result in results.videos}
    assert set(frames.values()) <= {VIDEO_FRAMES, NEW_FRAMES}
    for result in results.videos:
        assert result.source is not None
        assert result.source.is_file()
        assert result.metrics["temporal_norm"].index == tuple(range(len(result.predictions)))


def test_a_folder_without_predictions_is_refused(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no predictions"):
        _results(run_dir, tmp_path)


def test_runs_are_named_by_what_tells_them_apart() -> None:
    assert distinct_names([Path("x/a/m"), Path("x/b/m")]) == ["a/m", "b/m"]


def _results(run_dir: Path, *predictions: Path) -> RunResults:
    config = load_run_config(run_dir)
    return read_run_results(run_dir, config, name="a", predictions=predictions)
