"""How the toy animal moves: smooth wandering and a four-beat walking gait.

Everything is a function of (fractional) time in frames, so that a camera may look at any instant
of a frame's exposure, and any frame can be drawn without the ones before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LEGS = ("front_right", "front_left", "hind_right", "hind_left")
_STEP_ORDER = {"hind_right": 0.0, "front_right": 0.25, "hind_left": 0.5, "front_left": 0.75}
_PERIOD_RATIOS = np.array([0.57, 1.0, 1.83])
_SHARES = np.array([0.25, 0.45, 0.3])


@dataclass(frozen=True, kw_only=True)
class Wander:
    """A smooth signal around zero: three sines whose periods do not fit each other.

    Attributes:
        amplitudes: of the sines; their sum is the furthest the signal gets from zero.
        periods: in frames.
        phases: in radians.
    """

    amplitudes: Float[np.ndarray, " m"]
    periods: Float[np.ndarray, " m"]
    phases: Float[np.ndarray, " m"]

    @classmethod
    def draw(cls, rng: np.random.Generator, *, reach: float, period: float) -> Wander:
        """Return a random signal within ``reach`` that turns about every ``period`` frames."""
        return cls(
            amplitudes=reach * _SHARES,
            periods=period * _PERIOD_RATIOS * rng.uniform(0.9, 1.1, 3),
            phases=rng.uniform(0, 2 * np.pi, 3),
        )

    def __call__(self, times: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Return the signal at ``times`` (frames)."""
        angles = 2 * np.pi * times[:, None] / self.periods + self.phases
        return np.sin(angles) @ self.amplitudes


@dataclass(frozen=True, kw_only=True)
class Gait:
    """A walk in which each paw stands for ``duty`` of a stride and swings forward for the rest.

    Attributes:
        cadence: strides per frame, on average.
        hurry: by how many frames the animal runs ahead of its average; its slope varies the speed.
        start: where in the stride the animal is at time 0, in strides.
        half_stride: how far a paw stands before (and then behind) its hip, in world units.
        lift: height of a swinging paw.
        duty: share of the stride in which a paw stands.
    """

    cadence: float
    hurry: Wander
    start: float
    half_stride: float = 15.0
    lift: float = 9.0
    duty: float = 0.64

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Gait:
        """Return a random walk: 18 to 26 frames a stride, now slower, now faster."""
        return cls(
            cadence=1 / rng.uniform(18, 26),
            hurry=Wander.draw(rng, reach=11.0, period=110.0),
            start=rng.uniform(),
        )

    def strides(self, times: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Return how many strides were made until ``times``; never falls."""
        return self.start + self.cadence * (times + self.hurry(times))

    def travel(self, times: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Return how far the wheel has turned below the animal, in world units along its rim."""
        return self.strides(times) * 2 * self.half_stride / self.duty

    def paw(
        self, leg: str, times: Float[np.ndarray, " t"]
    ) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, " t"]]:
        """Return (forward, up): where a leg's paw is, from below its hip, in world units."""
        step = (self.strides(times) + _STEP_ORDER[leg]) % 1.0
        swing = np.clip((step - self.duty) / (1 - self.duty), 0, 1)
        standing = 1 - 2 * step / self.duty
        swinging = -1 + 2 * (swing - np.sin(2 * np.pi * swing) / (2 * np.pi))
        forward = self.half_stride * np.where(step < self.duty, standing, swinging)
        return forward, self.lift * np.sin(np.pi * swing) ** 2
