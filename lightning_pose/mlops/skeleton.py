"""Lines between keypoints: the one rule for all pictures of the report, the app and the review."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.mlops.results import RunResults

MOST_POSES = 500
LONG = 3.0  # times the median line: the gap between two views in one picture, not a limb

Edges = Sequence[tuple[str, str]]


def edges_of(runs: Sequence[RunResults], wished: Sequence[Sequence[str]] = ()) -> Edges:
    """Return pairs of keypoints to draw a line between.

    Those that are wished for; else the tree that joins neighbours (:func:`skeleton_edges`) in the
    labels of the runs, or in what they predicted of videos if they have no labels. Keypoints of
    two mirrored views, as ``data.mirrored_column_matches`` declares them, are not joined.

    Args:
        runs: whose keypoints are drawn; they need not have the same.
        wished: pairs of names, as ``--edge`` gives them.

    Raises:
        ConfigError: no run has a keypoint of that name.
    """
    results = [result for run in runs for result in (*run.labeled, *run.videos)]
    names = list(dict.fromkeys(name for one in results for name in one.predictions.keypoint_names))
    for name in (name for edge in wished for name in edge if name not in names):
        raise ConfigError(f"--edge: no run has a keypoint {name}. They have {', '.join(names)}.")
    if wished:
        return [(one, other) for one, other in wished]
    apart = _in_two_views(runs, names)
    for poses in (_labelled, _predicted):
        found = [pose for run in runs for pose in poses(run, names)]
        edges = skeleton_edges(np.concatenate(found), apart) if found else []
        if edges:
            return [(names[one], names[other]) for one, other in edges]
    return []


def skeleton_edges(
    xy_img: Float[np.ndarray, "n k 2"], apart: Bool[np.ndarray, "k k"] | None = None
) -> list[tuple[int, int]]:
    """Return pairs of keypoints that are neighbours in poses.

    The minimum spanning tree of the keypoints, by their mean distance in the poses, without lines
    more than three times as long as the median one. Keypoints never seen together are not joined.

    Args:
        xy_img: poses in pixels; NaN = no point.
        apart: pairs that are not to be joined; None = there are none.

    Example:
        >>> skeleton_edges(np.array([[[0.0, 0.0], [9.0, 0.0], [4.0, 0.0]]]))
        [(0, 2), (1, 2)]
    """
    length = _mean_distances(xy_img)
    if apart is not None:
        length[apart] = np.inf
    number = len(length)
    in_tree, edges = {0}, list[tuple[int, int]]()
    while len(in_tree) < number:
        outside = [i for i in range(number) if i not in in_tree]
        inside = sorted(in_tree)
        between = length[np.ix_(inside, outside)]
        row, column = np.unravel_index(int(between.argmin()), between.shape)
        a, b = inside[int(row)], outside[int(column)]
        in_tree.add(b)
        if np.isfinite(between[row, column]):
            edges.append((min(a, b), max(a, b)))
    lengths = np.array([length[edge] for edge in edges])
    keep = lengths <= LONG * np.median(lengths) if len(edges) else []
    return sorted(edge for edge, kept in zip(edges, keep, strict=True) if kept)


def _in_two_views(runs: Sequence[RunResults], names: Sequence[str]) -> Bool[np.ndarray, "k k"]:
    """Return which pairs of keypoints are of two mirrored views of one picture."""
    apart = np.zeros((len(names), len(names)), dtype=np.bool_)
    for run in runs:
        views = run.config.data.mirrored_column_matches or []
        if run.config.data.view_names or not (run.labeled or run.videos):
            continue
        own = next(iter((*run.labeled, *run.videos))).predictions.keypoint_names
        places = [[names.index(own[column]) for column in view] for view in views]
        for one, other in itertools.permutations(places, 2):
            apart[np.ix_(one, other)] = True
    return apart


def _labelled(run: RunResults, names: Sequence[str]) -> Iterator[Float[np.ndarray, "n k 2"]]:
    for result in run.labeled:
        if result.labels is not None:
            yield _in_columns(result.labels.xy_img, result.labels.keypoint_names, names)


def _predicted(run: RunResults, names: Sequence[str]) -> Iterator[Float[np.ndarray, "n k 2"]]:
    for result in run.videos:
        yield _in_columns(result.predictions.xy_img, result.predictions.keypoint_names, names)


def _in_columns(
    xy_img: Float[np.ndarray, "n j 2"], own: Sequence[str], names: Sequence[str]
) -> Float[np.ndarray, "n k 2"]:
    """Return poses with a column for each of the names; NaN = not one of their own."""
    poses = np.full((len(xy_img), len(names), 2), np.nan)
    columns = [(column, names.index(name)) for column, name in enumerate(own) if name in names]
    for column, place in columns:
        poses[:, place] = xy_img[:, column]
    return poses


def _mean_distances(xy_img: Float[np.ndarray, "n k 2"]) -> Float[np.ndarray, "k k"]:
    k = xy_img.shape[1]
    every = max(1, len(xy_img) // MOST_POSES)
    total, number = np.zeros((k, k)), np.zeros((k, k))
    for pose in xy_img[::every]:
        distance = np.linalg.norm(pose[:, None] - pose[None], axis=-1)
        known = ~np.isnan(distance)
        total += np.where(known, distance, 0.0)
        number += known
    return np.where(number > 0, total / np.maximum(number, 1), np.inf)
