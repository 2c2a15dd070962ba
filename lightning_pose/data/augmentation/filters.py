"""Transforms that mix each pixel with its neighbours: motion blur, Gaussian blur, emboss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from kornia.filters import filter2d, get_motion_kernel2d
from torch import Tensor

from lightning_pose.data.augmentation.settings import odd_count, span
from lightning_pose.data.augmentation.transform import TRANSFORMS, Draws, PhotometricTransform


class FilterTransform(PhotometricTransform):
    """One filter for each sample, which ``draw`` returns as ``kernels[n, rows, columns]``."""

    def apply(
        self, images: Float[Tensor, "n t c h w"], draws: Draws
    ) -> Float[Tensor, "n t c h w"]:
        """Return ``images`` filtered, mirrored at the edges and kept in 0..1."""
        filtered = filter2d(images.flatten(1, 2), draws["kernels"])
        return filtered.clamp_(0.0, 1.0).view_as(images)


@TRANSFORMS.register("MotionBlur")
@dataclass(frozen=True, kw_only=True)
class MotionBlur(FilterTransform):
    """Smear the picture along a line, as in an exposure that was too long.

    The line is weighted evenly. imgaug can weight one end more (``direction``), which shifts the
    picture by up to a pixel against its labels; that is left out.
    """

    k: int = odd_count(5, "Length of the line in network pixels.", minimum=3)
    angle: tuple[float, float] = span(0.0, 360.0, "Direction of the line in degrees.")

    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return one line filter a sample, of sum 1."""
        angle = torch.from_numpy(rng.uniform(*self.angle, n))
        return {"kernels": get_motion_kernel2d(self.k, angle, torch.zeros_like(angle)).numpy()}


@TRANSFORMS.register("GaussianBlur")
@dataclass(frozen=True, kw_only=True)
class GaussianBlur(FilterTransform):
    """Blur the picture, as out of focus."""

    sigma: tuple[float, float] = span(
        0.5, 1.5, "Width in network pixels.", minimum=0.01, maximum=5.0
    )

    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return one Gaussian filter a sample, cut at three times the largest sigma."""
        reach = int(np.ceil(3.0 * self.sigma[1]))
        sigma = rng.uniform(*self.sigma, (n, 1))
        line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        line /= line.sum(-1, keepdims=True)
        return {"kernels": line[:, :, None] * line[:, None, :]}


@TRANSFORMS.register("Emboss")
@dataclass(frozen=True, kw_only=True)
class Emboss(FilterTransform):
    """Light edges from one side, so that the picture looks pressed into paper.

    The filter is (1 - alpha) I + alpha E, where I leaves the picture alone and, with strength s,
    E = [[-1-s, -s, 0], [-s, 1, s], [0, s, 1+s]] (imgaug's).
    """

    alpha: tuple[float, float] = span(
        0.0, 0.5, "Share of the embossed picture.", minimum=0.0, maximum=1.0
    )
    strength: tuple[float, float] = span(
        0.5, 1.5, "How strong the light is.", minimum=0.0, maximum=10.0
    )

    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return one 3x3 filter a sample, of sum 1."""
        alpha = rng.uniform(*self.alpha, (n, 1, 1))
        strength = rng.uniform(*self.strength, (n, 1, 1))
        unchanged = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
        plain = np.array([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        slope = np.array([[-1.0, -1.0, 0.0], [-1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
        return {"kernels": (1.0 - alpha) * unchanged + alpha * (plain + strength * slope)}
