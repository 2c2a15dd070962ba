"""Lines between keypoints, for drawing: which points are neighbours is read off the poses."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

LONG = 3.0  # times the median line: the gap between two views in one picture, not a limb


def skeleton_edges(xy_img: Float[np.ndarray, "n k 2"]) -> list[tuple[int, int]]:
    """Return pairs of keypoints to draw a line between.

    The minimum spanning tree of the keypoints, by their mean distance in the poses, without lines
    more than three times as long as the median one. Keypoints never seen together are not joined.

    Args:
        xy_img: poses in pixels; NaN = no point.

    Example:
        >>> skeleton_edges(np.array([[[0.0, 0.0], [9.0, 0.0], [4.0, 0.0]]]))
        [(0, 2), (1, 2)]
    """
    length = _mean_distances(xy_img)
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


def _mean_distances(xy_img: Float[np.ndarray, "n k 2"]) -> Float[np.ndarray, "k k"]:
    k = xy_img.shape[1]
    total, number = np.zeros((k, k)), np.zeros((k, k))
    for pose in xy_img:
        distance = np.linalg.norm(pose[:, None] - pose[None], axis=-1)
        known = ~np.isnan(distance)
        total += np.where(known, distance, 0.0)
        number += known
    return np.where(number > 0, total / np.maximum(number, 1), np.inf)
