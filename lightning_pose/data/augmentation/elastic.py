"""Elastic deformation: a smooth random displacement, known exactly at every place.

imgaug filters white noise on the pixel grid with a Gaussian of width sigma. Here the noise sits on
a lattice of spacing sigma and the field is the Gaussian sum over it::

    d(x, y) = sum_ij n_ij exp(-((x - x_i)^2 + (y - y_j)^2) / (2 sigma^2))

which has the same covariance (the ripple of a lattice this dense is below 1e-3), is two small
matrix products instead of a filter, needs a few thousand draws a picture instead of 2 H W, and can
be evaluated at a keypoint without interpolation, so that points follow the picture exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.data.augmentation.settings import number, span
from lightning_pose.data.augmentation.transform import (
    TRANSFORMS,
    DisplacementTransform,
    Draws,
)

UNIFORM_STD = 1.0 / math.sqrt(3.0)  # of imgaug's white noise, uniform on -1..1
LATTICE_MARGIN = 3  # lattice points beyond each edge; exp(-3^2 / 2) = 0.01
TAIL = 4.0  # standard deviations that count as the largest value of a field
TOLERANCE_PX = 0.005


@TRANSFORMS.register("ElasticTransformation")
@dataclass(frozen=True, kw_only=True)
class ElasticTransformation(DisplacementTransform):
    """Shift every place by a smooth random field of 0.16 alpha / sigma pixels RMS per axis."""

    alpha: tuple[float, float] = span(
        0.0, 10.0, "Strength in network pixels; 10 with sigma 5 moves 0.33 px RMS.", minimum=0.0
    )
    sigma: float = number(
        5.0, "Width in network pixels over which places move together.", minimum=1.0, maximum=1e3
    )

    def __post_init__(self) -> None:
        if self._steepest_slope > 0.7:
            limit = 0.7 * self.alpha[1] / self._steepest_slope
            raise ConfigError(
                f"Augmentation ElasticTransformation: alpha {self.alpha[1]:g} with sigma "
                f"{self.sigma:g} would fold the picture over itself; keep alpha at or below "
                f"{math.floor(limit):g}, or raise sigma."
            )

    @property
    def _rms_px(self) -> float:
        """Return the RMS displacement along one axis at the largest alpha."""
        return UNIFORM_STD * self.alpha[1] / (2.0 * math.sqrt(math.pi) * self.sigma)

    @property
    def _steepest_slope(self) -> float:
        """Return d's largest derivative: its covariance exp(-r^2 / 4 sigma^2) curves by that."""
        return TAIL * self._rms_px / (math.sqrt(2.0) * self.sigma)

    @property
    def inversion_steps(self) -> int:
        """Return how often q <- r - d(q) is repeated; each step shrinks the error by the slope."""
        largest = TAIL * self._rms_px
        if largest <= TOLERANCE_PX:
            return 1
        return 1 + math.ceil(math.log(TOLERANCE_PX / largest) / math.log(self._steepest_slope))

    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return lattices of noise ``noise[n, 2, rows, columns]``, the x displacement first."""
        rows, columns = (len(self._lattice(size)) for size in hw)
        alpha = rng.uniform(*self.alpha, (n, 1, 1, 1))
        rms = UNIFORM_STD * alpha / (2.0 * math.sqrt(math.pi) * self.sigma)
        noise = rng.standard_normal((n, 2, rows, columns), dtype=np.float32)
        # The sum over a unit lattice of exp(-x^2) is sqrt(pi), hence pi for the variance in 2-D
        # before the root.
        return {"noise": (rms / math.sqrt(math.pi) * noise).astype(np.float32)}

    def at_pixels(self, draws: Draws, hw: tuple[int, int]) -> Float[Tensor, "n 2 h w"]:
        """Return d at every pixel, (x, y) in network pixels."""
        noise = draws["noise"]
        height, width = hw
        rows = torch.arange(height, device=noise.device, dtype=noise.dtype)
        columns = torch.arange(width, device=noise.device, dtype=noise.dtype)
        by_row = self._bumps(rows, noise.shape[-2])
        by_column = self._bumps(columns, noise.shape[-1])
        return by_row @ noise @ by_column.T

    def at_points(self, draws: Draws, points: Float[Tensor, "n k 2"]) -> Float[Tensor, "n k 2"]:
        """Return d at ``points``; NaN points give NaN."""
        noise = draws["noise"]
        by_column = self._bumps(points[..., 0], noise.shape[-1])
        by_row = self._bumps(points[..., 1], noise.shape[-2])
        along_rows = by_row[:, None] @ noise
        return (along_rows * by_column[:, None]).sum(-1).transpose(1, 2)

    def _lattice(self, size: int) -> range:
        """Return the indices of the lattice points that reach a picture this high or wide."""
        return range(-LATTICE_MARGIN, math.ceil((size - 1) / self.sigma) + LATTICE_MARGIN + 1)

    def _bumps(self, places: Float[Tensor, "*n"], lattice_size: int) -> Float[Tensor, "*n g"]:
        """Return exp(-(x - x_i)^2 / (2 sigma^2)) for each place x and lattice point i."""
        lattice = torch.arange(lattice_size, device=places.device, dtype=places.dtype)
        distance = places[..., None] / self.sigma - (lattice - LATTICE_MARGIN)
        return torch.exp(-0.5 * distance.square())
