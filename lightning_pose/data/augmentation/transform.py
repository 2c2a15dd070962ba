"""What a transform is: settings that check themselves, draws on the host, work on the device.

Chance is settled on the host, with NumPy, before the device is asked for anything: which samples
change, by how much. The device then works on exactly those samples, in batches, and never has to
answer a question (no ``.item()``, no boolean mask), so its queue does not run dry.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from lightning_pose.contracts.registry import Registry

TRANSFORMS: Registry[Any] = Registry("augmentation transform", "lightning_pose.data.augmentation")

Draws = dict[str, Any]
"""What one transform drew: arrays with a leading sample axis, and plain numbers for the batch."""


@dataclass(frozen=True, kw_only=True)
class Transform:
    """One random change. Its fields are its settings, made with :mod:`.settings`."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A transform in a chain, and how likely each sample is to get it."""

    name: str
    p: float
    transform: Transform

    def start(
        self, seed: int, n: int, *, group: int = 0
    ) -> tuple[np.random.Generator, Int[np.ndarray, " m"]]:
        """Return the step's own source of chance for a batch, and which of n samples it picks.

        What one step draws depends on the seed, its name and the group, not on the rest of the
        chain.
        """
        which = [group] if group else []
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode()), *which])
        return rng, np.flatnonzero(rng.random(n) < self.p)


@dataclass(frozen=True, kw_only=True)
class Motion:
    """How the pictures of n samples move: first ``turn``, then ``frame``.

    Attributes:
        turn: linear map about the picture's centre, in the proportions of the *original* image
            (a rotation here is a true rotation, even where network pixels are not square).
        frame: affine map in the picture's own frame, which spans -1..1 from edge to edge.
    """

    turn: Float[np.ndarray, "n 2 2"]
    frame: Float[np.ndarray, "n 2 3"]

    @classmethod
    def none(cls, n: int) -> Motion:
        """Return the motion that leaves n samples where they are."""
        return cls(turn=np.tile(np.eye(2), (n, 1, 1)), frame=np.tile(np.eye(2, 3), (n, 1, 1)))


class GeometricTransform(Transform, ABC):
    """A change of place that is affine; all of them are joined into one map and one resampling."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int) -> Motion:
        """Return one motion for each of n samples."""

    def keypoint_order(self, num_keypoints: int) -> list[int]:
        """Return which keypoint each one becomes; only a mirror swaps left and right."""
        return list(range(num_keypoints))


class DisplacementTransform(Transform, ABC):
    """A change of place that is not affine: output pixel q shows what was at q + d(q).

    Draws that are all zero must mean no displacement.
    """

    @property
    @abstractmethod
    def inversion_steps(self) -> int:
        """Return how often q <- r - d(q) is repeated to find the q that shows r, to 0.01 px."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return what describes n displacement fields over pictures of height and width ``hw``."""

    @abstractmethod
    def at_pixels(self, draws: Draws, hw: tuple[int, int]) -> Float[Tensor, "n 2 h w"]:
        """Return d at every pixel, (x, y) in network pixels."""

    @abstractmethod
    def at_points(self, draws: Draws, points: Float[Tensor, "n k 2"]) -> Float[Tensor, "n k 2"]:
        """Return d at ``points``; NaN points give NaN."""


class PhotometricTransform(Transform, ABC):
    """A change of pixel values that leaves everything in its place.

    Attributes:
        shares_draws: some of what it draws holds for all samples of a call; groups of samples that
            have nothing to do with each other are then given to it one by one.
    """

    shares_draws: ClassVar[bool] = False

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int, hw: tuple[int, int]) -> Draws:
        """Return what n samples with pictures of height and width ``hw`` need."""

    @abstractmethod
    def apply(
        self, images: Float[Tensor, "n t c h w"], draws: Draws
    ) -> Float[Tensor, "n t c h w"]:
        """Return ``images`` (0..1) changed; the frames of one sample all in the same way."""
