"""Smoothing one coordinate over time: a random walk seen through noise of known size.

The exact posterior of the Kalman smoother, computed as a tridiagonal system: LAPACK solves a
million frames in a fraction of a second, and frames not observed need no case of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import linalg, optimize  # pyright: ignore[reportMissingTypeStubs]

LOG_STEP_BOUNDS = (-8.0, 8.0)  # of the logarithm of the variance of a step in px^2
_COARSE = 17


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What was seen of one coordinate.

    Attributes:
        values: px, their mean subtracted; NaN = not seen.
        noise: variance of each observation in px^2; finite and above 0 where it was seen.
        start_variance: of the place in the first frame about 0, in px^2.
    """

    values: Float[np.ndarray, " n"]
    noise: Float[np.ndarray, " n"]
    start_variance: float

    def smoothed(
        self, step_variance: float
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Return mean (px) and variance (px^2) of each frame given all observations.

        Args:
            step_variance: of the step from one frame to the next, in px^2.
        """
        band, right = self._system(step_variance)
        factor = linalg.cholesky_banded(band, lower=True, check_finite=False)
        mean = linalg.cho_solve_banded((factor, True), right, check_finite=False)
        # Diagonal of the inverse of a tridiagonal matrix, from the pivots of both directions.
        turned = np.stack([band[0, ::-1], np.append(band[1, -2::-1], 0.0)])
        back = linalg.cholesky_banded(turned, lower=True, check_finite=False)
        return mean, 1 / (factor[0] ** 2 + back[0, ::-1] ** 2 - band[0])

    def surprise(self, step_variance: float) -> float:
        """Return the negative logarithm of the likelihood of the observations."""
        band, right = self._system(step_variance)
        factor = linalg.cholesky_banded(band, lower=True, check_finite=False)
        mean = linalg.cho_solve_banded((factor, True), right, check_finite=False)
        seen = np.isfinite(self.values)
        residuals = (self.values - mean)[seen]
        misfit = (
            np.sum(residuals**2 / self.noise[seen])
            + np.sum(np.diff(mean) ** 2) / step_variance
            + mean[0] ** 2 / self.start_variance
        )
        log_size = (
            np.sum(np.log(2 * np.pi * self.noise[seen]))
            + 2 * np.sum(np.log(factor[0]))
            + np.log(self.start_variance)
            + (len(mean) - 1) * np.log(step_variance)
        )
        return float(misfit + log_size) / 2

    def _system(
        self, step_variance: float
    ) -> tuple[Float[np.ndarray, "2 n"], Float[np.ndarray, " n"]]:
        """Return the matrix, as its lower band, and the right-hand side of the posterior mean."""
        seen = np.isfinite(self.values)
        precision = np.where(seen, 1 / np.where(seen, self.noise, 1.0), 0.0)
        band = np.zeros((2, len(precision)))
        band[0] = precision
        band[0, 0] += 1 / self.start_variance
        band[0, 1:] += 1 / step_variance
        band[0, :-1] += 1 / step_variance
        band[1, :-1] = -1 / step_variance
        return band, np.where(seen, self.values * precision, 0.0)


def likeliest_step_variance(walks: Sequence[Walk]) -> float:
    """Return the variance of a step, in px^2, that makes all the walks together likeliest.

    It is sought between e^-8 and e^8: first on a grid, then between the neighbours of the best.
    """

    def surprise(log_step: float) -> float:
        return sum(walk.surprise(float(np.exp(log_step))) for walk in walks)

    grid = np.linspace(*LOG_STEP_BOUNDS, _COARSE)
    best = int(np.argmin([surprise(place) for place in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, _COARSE - 1)]
    found = optimize.minimize_scalar(
        surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-3}
    )
    return float(np.exp(found.x))
