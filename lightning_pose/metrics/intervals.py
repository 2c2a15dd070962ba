"""How sure a mean or median is: bootstrap intervals that keep the points of an image together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

DRAWS = 1000
MOST_NUMBERS = 40_000_000
LEVELS = (2.5, 97.5)

Statistic = Callable[[Float[np.ndarray, " m"]], float]


def bootstrap_interval(
    values: Float[np.ndarray, "n k"], statistic: Statistic, *, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic over all finite values.

    Rows (images) are drawn with replacement, because the keypoints of one image are wrong
    together (Efron and Tibshirani, 1993, cluster bootstrap). With few images it is too narrow.

    Args:
        values: one row an image; NaN = not measured.
        statistic: of a row of finite numbers.
        seed: of the draws.

    Returns:
        Lower and upper end; NaN with fewer than two images.
    """
    rows = values[np.isfinite(values).any(axis=1)]
    if len(rows) < 2:
        return float("nan"), float("nan")
    draws = int(np.clip(MOST_NUMBERS / rows.size, 100, DRAWS))
    rng = np.random.default_rng(seed)
    found: list[float] = []
    for _ in range(draws):
        drawn = rows[rng.integers(len(rows), size=len(rows))]
        found.append(statistic(drawn[np.isfinite(drawn)]))
    low, high = np.percentile(found, LEVELS)
    return float(low), float(high)
