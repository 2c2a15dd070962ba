"""Long traces made short without losing a peak."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Float, Int


def reduced(
    values: Float[np.ndarray, "t q"], *, bins: int
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n q"]]:
    """Return places on the time axis and values there: all, or of each bin the two extremes.

    Every bin of frames becomes two rows, at its first and its middle frame. They hold the lowest
    and the highest value of each column, in the order in which they came.

    Args:
        values: of each frame; NaN = not known, left out of the extremes.
        bins: at most 2 * bins rows come back.

    Example:
        >>> places, shown = reduced(np.array([[0.0], [9.0], [1.0], [2.0], [3.0], [2.0]]), bins=2)
        >>> places.tolist(), shown[:, 0].tolist()
        ([0, 1, 3, 4], [0.0, 9.0, 2.0, 3.0])
    """
    frames = len(values)
    if frames <= 2 * bins:
        return np.arange(frames), values.astype(np.float64)
    edges = np.linspace(0, frames, bins + 1).astype(np.int64)
    shown = np.full((2 * bins, values.shape[1]), np.nan)
    places = np.empty(2 * bins, dtype=np.int64)
    columns = np.arange(values.shape[1])
    for number, (start, stop) in enumerate(itertools.pairwise(edges)):
        part = values[start:stop]
        lowest = np.where(np.isnan(part), np.inf, part).argmin(axis=0)
        highest = np.where(np.isnan(part), -np.inf, part).argmax(axis=0)
        first, last = np.minimum(lowest, highest), np.maximum(lowest, highest)
        shown[2 * number : 2 * number + 2] = part[first, columns], part[last, columns]
        places[2 * number : 2 * number + 2] = start, (start + stop) // 2
    return places, shown
