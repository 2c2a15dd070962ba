"""Transforms that move the picture by an affine map: turn, zoom, cut, pad, flip.

Names and ranges are those of the package imgaug.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.data.augmentation.settings import index_pairs, one_of, span
from lightning_pose.data.augmentation.transform import TRANSFORMS, GeometricTransform, Motion


@TRANSFORMS.register("Affine")
@dataclass(frozen=True, kw_only=True)
class Affine(GeometricTransform):
    """Turn, zoom, slant and shift about the picture's centre."""

    rotate: tuple[float, float] = span(0.0, 0.0, "Degrees, clockwise as one sees it.")
    scale: tuple[float, float] = span(1.0, 1.0, "Factor on both axes.", minimum=0.05, maximum=20.0)
    shear: tuple[float, float] = span(
        0.0, 0.0, "Degrees that vertical lines slant.", minimum=-80.0, maximum=80.0
    )
    translate_percent: tuple[float, float] = span(
        0.0, 0.0, "Shift as a share of the picture's size.", minimum=-2.0, maximum=2.0
    )

    def draw(self, rng: np.random.Generator, n: int) -> Motion:
        """Return one motion for each of n samples."""
        angle = np.deg2rad(rng.uniform(*self.rotate, n))
        scale = rng.uniform(*self.scale, n)
        slant = np.tan(np.deg2rad(rng.uniform(*self.shear, n)))
        shift = rng.uniform(*self.translate_percent, (n, 2))
        motion = Motion.none(n)
        motion.turn[:, 0, 1] = slant
        motion.frame[:, :, 2] = 2.0 * shift
        turn = scale[:, None, None] * (rotation_matrices(angle) @ motion.turn)
        return replace(motion, turn=turn)


@TRANSFORMS.register("Rotate")
@dataclass(frozen=True, kw_only=True)
class Rotate(GeometricTransform):
    """Turn the picture about its centre; corners are lost, what comes in is black."""

    rotate: tuple[float, float] = span(-25.0, 25.0, "Degrees, clockwise as one sees it.")

    def draw(self, rng: np.random.Generator, n: int) -> Motion:
        """Return one motion for each of n samples."""
        angle = np.deg2rad(rng.uniform(*self.rotate, n))
        return replace(Motion.none(n), turn=rotation_matrices(angle))


@TRANSFORMS.register("Rot90")
@dataclass(frozen=True, kw_only=True)
class Rot90(GeometricTransform):
    """Turn the picture by a multiple of 90 degrees, without stretching it.

    In a picture that is not square a quarter turn pushes the two ends out and leaves black bars.
    """

    k: tuple[int, ...] = one_of(
        (0, 1, 2, 3), "Numbers of quarter turns, clockwise, to choose from."
    )

    def draw(self, rng: np.random.Generator, n: int) -> Motion:
        """Return one motion for each of n samples."""
        turns = rng.choice(self.k, n)
        exact = np.rint(rotation_matrices(turns * np.pi / 2.0))
        return replace(Motion.none(n), turn=exact)


@TRANSFORMS.register("CropAndPad")
@dataclass(frozen=True, kw_only=True)
class CropAndPad(GeometricTransform):
    """Move each of the four edges in or out, then stretch the result to the network's input."""

    percent: tuple[float, float] = span(
        -0.15,
        0.15,
        "How far each edge moves, as a share of the picture's size, each drawn on its own. "
        "Below 0 cuts, above 0 adds black.",
        minimum=-0.45,
        maximum=2.0,
    )

    def draw(self, rng: np.random.Generator, n: int) -> Motion:
        """Return one motion for each of n samples."""
        grown = 2.0 * rng.uniform(*self.percent, (n, 2, 2))  # axis (x, y), then edge (low, high)
        low, high = -1.0 - grown[..., 0], 1.0 + grown[..., 1]
        motion = Motion.none(n)
        for axis in (0, 1):
            size = high[:, axis] - low[:, axis]
            motion.frame[:, axis, axis] = 2.0 / size
            motion.frame[:, axis, 2] = -(high[:, axis] + low[:, axis]) / size
        return motion


@dataclass(frozen=True, kw_only=True)
class Flip(GeometricTransform):
    """Mirror the picture and swap the names of left and right keypoints."""

    axis: ClassVar[int]
    pairs: tuple[tuple[int, int], ...] | None = index_pairs(
        "Keypoints that swap names, by number from 0; [] if none do."
    )

    def draw(self, rng: np.random.Generator, n: int) -> Motion:
        """Return the mirroring, the same for all n samples."""
        motion = Motion.none(n)
        motion.frame[:, self.axis, self.axis] = -1.0
        return motion

    def keypoint_order(self, num_keypoints: int) -> list[int]:
        """Return the order in which the keypoints of each pair have changed places."""
        order = list(range(num_keypoints))
        for first, second in self.pairs or ():
            if max(first, second) >= num_keypoints:
                raise ConfigError(
                    f"Augmentation {type(self).__name__}: the pair [{first}, {second}] names a "
                    f"keypoint that does not exist; there are {num_keypoints}, counted from 0."
                )
            order[first], order[second] = second, first
        return order


@TRANSFORMS.register("Fliplr")
@dataclass(frozen=True, kw_only=True)
class Fliplr(Flip):
    """Mirror the picture left to right and swap the names of left and right keypoints."""

    axis: ClassVar[int] = 0


@TRANSFORMS.register("Flipud")
@dataclass(frozen=True, kw_only=True)
class Flipud(Flip):
    """Mirror the picture upside down and swap the names of left and right keypoints."""

    axis: ClassVar[int] = 1


def rotation_matrices(angle_rad: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2 2"]:
    """Return rotations that take the x axis towards the y axis: clockwise, as y points down."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
