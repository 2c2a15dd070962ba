"""Transforms that replace patches of the picture: coarse dropout, salt and pepper.

Each draws a small picture whose cells are hit or not and enlarges it without smoothing, so that a
hit covers a rectangle. The size of the cells is drawn once for a call (one size enlarges in one
go); everything else is drawn for each sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from lightning_pose.data.augmentation.settings import Span, number, span
from lightning_pose.data.augmentation.transform import TRANSFORMS, Draws, PhotometricTransform

SMALLEST_GRID = 4  # cells along each axis; imgaug's min_size


@TRANSFORMS.register("CoarseDropout")
@dataclass(frozen=True, kw_only=True)
class CoarseDropout(PhotometricTransform):
    """Blacken rectangles."""

    shares_draws: ClassVar[bool] = True

    p: float = number(0.02, "Share of the area.", minimum=0.0, maximum=1.0)
    size_percent: tuple[float, float] = span(
        0.3,
        0.3,
        "Cells along an axis as a share of its pixels: 0.1 makes cells of 10 pixels.",
        minimum=0.001,
        maximum=1.0,
    )
    per_channel: float = number(
        0.5, "Share of samples where each colour is hit on its own.", minimum=0.0, maximum=1.0
    )

    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return ``keep[n, 3, rows, columns]``, 0 where a cell is hit and 1 elsewhere."""
        grid = _grid(rng, self.size_percent, hw)
        hit = rng.random((n, 3, *grid), dtype=np.float32) < self.p
        together = rng.random(n) >= self.per_channel
        hit[together] = hit[together, :1]
        return {"keep": (~hit).astype(np.float32)}

    def apply(
        self, images: Float[Tensor, "n t c h w"], draws: Draws
    ) -> Float[Tensor, "n t c h w"]:
        """Return ``images`` with black rectangles."""
        return images * interpolate(draws["keep"], size=images.shape[-2:])[:, None]


class SpeckTransform(PhotometricTransform):
    """Replace rectangles by one grey level each: 0.5 + side * |b - 0.5|, b from Beta(0.5, 0.5)."""

    p: float
    size_percent: Span
    side: ClassVar[float]
    shares_draws: ClassVar[bool] = True

    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return ``keep_and_level[n, 2, rows, columns]``; the level is 0 where a cell is kept."""
        grid = _grid(rng, self.size_percent, hw)
        hit = rng.random((n, *grid), dtype=np.float32) < self.p
        level = 0.5 + self.side * np.abs(rng.beta(0.5, 0.5, (n, *grid)) - 0.5)
        return {"keep_and_level": np.stack([~hit, hit * level], 1).astype(np.float32)}

    def apply(
        self, images: Float[Tensor, "n t c h w"], draws: Draws
    ) -> Float[Tensor, "n t c h w"]:
        """Return ``images`` with grey rectangles."""
        enlarged = interpolate(draws["keep_and_level"], size=images.shape[-2:])
        keep, level = enlarged[:, None, :1], enlarged[:, None, 1:]
        return torch.addcmul(level, images, keep)


@TRANSFORMS.register("CoarseSalt")
@dataclass(frozen=True, kw_only=True)
class CoarseSalt(SpeckTransform):
    """Put bright rectangles on the picture."""

    side: ClassVar[float] = 1.0
    p: float = number(0.01, "Share of the area.", minimum=0.0, maximum=1.0)
    size_percent: tuple[float, float] = span(
        0.05,
        0.1,
        "Cells along an axis as a share of its pixels: 0.1 makes cells of 10 pixels.",
        minimum=0.001,
        maximum=1.0,
    )


@TRANSFORMS.register("CoarsePepper")
@dataclass(frozen=True, kw_only=True)
class CoarsePepper(SpeckTransform):
    """Put dark rectangles on the picture."""

    side: ClassVar[float] = -1.0
    p: float = number(0.01, "Share of the area.", minimum=0.0, maximum=1.0)
    size_percent: tuple[float, float] = span(
        0.05,
        0.1,
        "Cells along an axis as a share of its pixels: 0.1 makes cells of 10 pixels.",
        minimum=0.001,
        maximum=1.0,
    )


def _grid(rng: np.random.Generator, size_percent: Span, hw: tuple[int, int]) -> tuple[int, int]:
    """Return how many cells the picture has along each axis."""
    share = rng.uniform(*size_percent)
    height, width = (max(SMALLEST_GRID, round(share * size)) for size in hw)
    return height, width
