"""Transforms that change grey levels: histogram equalisation, CLAHE, brightness, contrast.

Colours are treated one by one, as imgaug's "all channels" variants do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from kornia.enhance import equalize, equalize_clahe
from torch import Tensor

from lightning_pose.data.augmentation.settings import span
from lightning_pose.data.augmentation.transform import TRANSFORMS, Draws, PhotometricTransform


@TRANSFORMS.register("AllChannelsHistogramEqualization")
@dataclass(frozen=True, kw_only=True)
class AllChannelsHistogramEqualization(PhotometricTransform):
    """Spread the grey levels of the picture evenly over 0..1."""

    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return nothing: there is no choice to make."""
        return {}

    def apply(
        self, images: Float[Tensor, "n t c h w"], draws: Draws
    ) -> Float[Tensor, "n t c h w"]:
        """Return ``images`` equalised, each frame and colour on its own."""
        return equalize(images.flatten(1, 2)).view_as(images)


@TRANSFORMS.register("AllChannelsCLAHE")
@dataclass(frozen=True, kw_only=True)
class AllChannelsCLAHE(PhotometricTransform):
    """Equalise tile by tile, with a limit on the contrast (CLAHE).

    Limit and tiles are drawn once for a call: kornia's function takes one of each.
    """

    shares_draws: ClassVar[bool] = True

    clip_limit: tuple[float, float] = span(
        0.1,
        8.0,
        "How many times the mean a bin of the histogram may hold.",
        minimum=0.01,
        maximum=256.0,
    )
    tile_grid_size_px: tuple[float, float] = span(
        3.0,
        12.0,
        "Tiles along each axis (imgaug's name, although it counts tiles).",
        minimum=2.0,
        maximum=64.0,
    )

    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return ``clip_limit`` and ``tiles``, plain numbers."""
        low, high = self.tile_grid_size_px
        tiles = int(rng.integers(round(low), round(high) + 1))
        return {
            "clip_limit": float(rng.uniform(*self.clip_limit)),
            "tiles": min(tiles, min(hw) // 4),  # a tile of less than 4 pixels has no histogram
        }

    def apply(
        self, images: Float[Tensor, "n t c h w"], draws: Draws
    ) -> Float[Tensor, "n t c h w"]:
        """Return ``images`` equalised tile by tile."""
        tiles = (draws["tiles"], draws["tiles"])
        equal = equalize_clahe(images.flatten(1, 2), draws["clip_limit"], tiles)
        return equal.reshape(images.shape)


@TRANSFORMS.register("Multiply")
@dataclass(frozen=True, kw_only=True)
class Multiply(PhotometricTransform):
    """Make the picture brighter or darker."""

    mul: tuple[float, float] = span(
        0.75, 1.25, "Factor on all grey levels.", minimum=0.0, maximum=10.0
    )

    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return ``factor[n, 1, 1, 1, 1]``."""
        return {"factor": rng.uniform(*self.mul, (n, 1, 1, 1, 1))}

    def apply(
        self, images: Float[Tensor, "n t c h w"], draws: Draws
    ) -> Float[Tensor, "n t c h w"]:
        """Return ``images`` times the factor, kept in 0..1."""
        return (images * draws["factor"]).clamp_(0.0, 1.0)


@TRANSFORMS.register("LinearContrast")
@dataclass(frozen=True, kw_only=True)
class LinearContrast(PhotometricTransform):
    """Stretch or squeeze the grey levels about the middle."""

    alpha: tuple[float, float] = span(
        0.75, 1.25, "Factor on the distance from middle grey.", minimum=0.0, maximum=10.0
    )

    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return ``factor[n, 1, 1, 1, 1]``."""
        return {"factor": rng.uniform(*self.alpha, (n, 1, 1, 1, 1))}

    def apply(
        self, images: Float[Tensor, "n t c h w"], draws: Draws
    ) -> Float[Tensor, "n t c h w"]:
        """Return 0.5 + factor (images - 0.5), kept in 0..1."""
        return ((images - 0.5) * draws["factor"] + 0.5).clamp_(0.0, 1.0)
