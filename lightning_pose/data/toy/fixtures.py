"""What is not the animal: things that hide it, and things that may be taken for parts of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lightning_pose.data.toy.animal import WHEEL_RADIUS
from lightning_pose.data.toy.motion import Wander
from lightning_pose.data.toy.skeleton import IMAGE_WIDTH
from lightning_pose.data.toy.views import BELOW, SIDE, View

BAR_RADIUS = 3.4
POST_HALF_WIDTH = 4.0
SPOT_RADIUS = 1.9
BLOB_RADIUS = 15.0
_BAR_ABOVE_RIM = 4.5
_BAR_SPACING = 310.0


@dataclass(frozen=True, kw_only=True)
class Fixtures:
    """The furniture of one session.

    Attributes:
        post_x: column of the post that stands before the animal in the side view, in pixels.
        wheel_start: how far the wheel has turned before time 0, in world units.
        spots: for each view, how a small reflection wanders about the view's middle, in x and y.
        blobs: the same for a faint blurred light behind the animal.
    """

    post_x: float
    wheel_start: float
    spots: dict[str, tuple[Wander, Wander]]
    blobs: dict[str, tuple[Wander, Wander]]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Fixtures:
        """Return the furniture of a random session."""
        return cls(
            post_x=rng.uniform(70, 180),
            wheel_start=rng.uniform(0, _BAR_SPACING),
            spots={view.name: _drifting(rng, view) for view in (SIDE, BELOW)},
            blobs={view.name: _drifting(rng, view) for view in (SIDE, BELOW)},
        )

    def spot(self, view: View, times: Float[np.ndarray, " t"]) -> Float[np.ndarray, "t 2"]:
        """Return where the reflection is, in pixels of the view."""
        return _place(self.spots[view.name], view, times)

    def blob(self, view: View, times: Float[np.ndarray, " t"]) -> Float[np.ndarray, "t 2"]:
        """Return where the blurred light is, in pixels of the view."""
        return _place(self.blobs[view.name], view, times)


def bar_centre(travel: Float[np.ndarray, " t"]) -> Float[np.ndarray, "t 3"]:
    """Return where the bar that lies across the wheel is, in world units.

    It comes round again and again as the wheel turns; from the side it is a bright spot, from
    below a stripe.
    """
    arc = np.mod(-travel, _BAR_SPACING) - _BAR_SPACING / 2
    return on_rim(arc, above=_BAR_ABOVE_RIM)


def on_rim(arc: Float[np.ndarray, " n"], *, above: float) -> Float[np.ndarray, "n 3"]:
    """Return places ``arc`` along the rim from the top of the wheel, in world units."""
    angle = arc / WHEEL_RADIUS
    radius = WHEEL_RADIUS + above
    up = radius * np.cos(angle) - WHEEL_RADIUS
    return np.stack([radius * np.sin(angle), np.zeros_like(arc), up], axis=-1)


def _drifting(rng: np.random.Generator, view: View) -> tuple[Wander, Wander]:
    across = Wander.draw(rng, reach=IMAGE_WIDTH / 2, period=220.0)
    return across, Wander.draw(rng, reach=view.height / 2, period=170.0)


def _place(
    drift: tuple[Wander, Wander], view: View, times: Float[np.ndarray, " t"]
) -> Float[np.ndarray, "t 2"]:
    across, down = drift
    return np.stack([IMAGE_WIDTH / 2 + across(times), view.height / 2 + down(times)], axis=-1)
