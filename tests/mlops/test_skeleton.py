"""Lines between keypoints: those wished for, else neighbours by labels, else by predictions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.mlops.results import RunResults
from lightning_pose.mlops.skeleton import edges_of, skeleton_edges
from tests.mlops.reviewed import make_project, make_run


@pytest.fixture
def run(tmp_path: Path) -> RunResults:
    """Return a run whose labels lie on a line: nose, tail, ear; its predictions do not."""
    run = make_run(make_project(tmp_path / "data"), tmp_path / "A", noise_px=1.0)
    (labeled,) = run.labeled
    assert labeled.labels is not None
    labeled.labels.xy_img[:] = np.array([[0.0, 0.0], [20.0, 0.0], [9.0, 0.0]])
    run.videos[0].predictions.xy_img[:] = np.array([[9.0, 0.0], [20.0, 0.0], [0.0, 0.0]])
    return run


def test_lines_join_neighbours_and_not_the_views_of_a_mirror() -> None:
    pose = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])
    both = np.concatenate([pose, pose + np.array([0.0, 200.0])])[None].repeat(3, 0)
    assert skeleton_edges(both) == [(0, 1), (1, 2), (3, 4), (4, 5)]
    both[:, 5] = np.nan
    assert skeleton_edges(both) == [(0, 1), (1, 2), (3, 4)]
    assert skeleton_edges(np.full((2, 3, 2), np.nan)) == []


def test_neighbours_by_the_labels_are_joined(run: RunResults) -> None:
    assert edges_of([run]) == [("nose", "tail"), ("ear", "tail")]


def test_keypoints_of_two_mirrored_views_are_not_joined(run: RunResults) -> None:
    run.config.data.mirrored_column_matches = [[0], [2]]
    assert edges_of([run]) == [("nose", "ear"), ("ear", "tail")]
    run.config.data.mirrored_column_matches = [[0, 1], [2]]
    assert edges_of([run]) == [("nose", "ear")]


def test_wishes_come_first_and_must_be_keypoints(run: RunResults) -> None:
    assert edges_of([run], [["nose", "ear"]]) == [("nose", "ear")]
    with pytest.raises(ConfigError, match="--edge: no run has a keypoint wing"):
        edges_of([run], [["nose", "wing"]])


def test_without_labels_neighbours_are_those_of_predictions(run: RunResults) -> None:
    bare = dataclasses.replace(run, labeled=())
    assert edges_of([bare]) == [("nose", "ear"), ("nose", "tail")]
    assert edges_of([dataclasses.replace(bare, videos=())]) == []


def test_runs_of_different_keypoints_have_all_of_them_joined(run: RunResults) -> None:
    (labeled,) = run.labeled
    assert labeled.labels is not None
    names = ("snout", "ear", "tail")
    other = dataclasses.replace(
        labeled,
        labels=dataclasses.replace(labeled.labels, keypoint_names=names),
        predictions=dataclasses.replace(labeled.predictions, keypoint_names=names),
    )
    both = [run, dataclasses.replace(run, labeled=(other,), videos=())]
    assert set(edges_of(both)) == {("nose", "tail"), ("ear", "tail"), ("tail", "snout")}
