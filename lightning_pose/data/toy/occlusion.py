"""Which keypoints are hidden in a view, worked out from shapes rather than from the picture.

A point is hidden when something that is drawn over it covers its exact place. Toes and ears are
too small to count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lightning_pose.data.toy.animal import Pose
from lightning_pose.data.toy.fixtures import (
    BAR_RADIUS,
    POST_HALF_WIDTH,
    SPOT_RADIUS,
    Fixtures,
    bar_centre,
)
from lightning_pose.data.toy.motion import LEGS
from lightning_pose.data.toy.views import BELOW, SIDE

# The chain every keypoint of ``skeleton.BODY_PARTS`` lies on.
_CHAIN_OF_PART = ("head", *LEGS, "tail", "tail")
# How near the camera a chain is drawn; chains of the same rank do not hide each other.
_SIDE_RANKS = {
    "hind_left": 0,
    "front_left": 1,
    "tail": 2,
    "spine": 3,
    "head": 3,
    "hind_right": 4,
    "front_right": 5,
}


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """A chain as one view shows it; ``rank`` says how near the camera it is drawn."""

    points: Float[np.ndarray, "t n 2"]
    radii: Float[np.ndarray, " n"]
    rank: Float[np.ndarray, " t"]


def hidden_from_side(
    pose: Pose,
    fixtures: Fixtures,
    *,
    times: Float[np.ndarray, " t"],
    travel: Float[np.ndarray, " t"],
) -> Bool[np.ndarray, "t k"]:
    """Tell which keypoints are behind nearer legs, the post or a light in the side view."""
    ranks = {name: np.full(len(times), float(rank)) for name, rank in _SIDE_RANKS.items()}
    layers = [
        _Layer(points=SIDE.project(chain.points), radii=chain.radii, rank=ranks[name])
        for name, chain in pose.chains.items()
    ]
    places = SIDE.project(pose.keypoints)
    own = np.stack([ranks[name] for name in _CHAIN_OF_PART], axis=1)
    behind_post = np.abs(places[..., 0] - fixtures.post_x) < POST_HALF_WIDTH
    bar = SIDE.project(bar_centre(travel))
    spot = fixtures.spot(SIDE, times)
    lit = _within(places, bar, BAR_RADIUS) | _within(places, spot, SPOT_RADIUS)
    return _behind_animal(places, own, layers) | behind_post | lit


def hidden_from_below(
    pose: Pose,
    fixtures: Fixtures,
    *,
    times: Float[np.ndarray, " t"],
    travel: Float[np.ndarray, " t"],
) -> Bool[np.ndarray, "t k"]:
    """Tell which keypoints are above lower paws, the bar or a light in the view from below."""
    ranks = {leg: 10.0 - pose.heights[:, number] for number, leg in enumerate(LEGS)}
    feet = [
        _Layer(
            points=BELOW.project(pose.chains[leg].points[:, 2:]),
            radii=pose.chains[leg].radii[2:] * 0.9,
            rank=ranks[leg],
        )
        for leg in LEGS
    ]
    places = BELOW.project(pose.keypoints)
    trunk = np.full(len(times), -np.inf)
    own = np.stack([ranks.get(name, trunk) for name in _CHAIN_OF_PART], axis=1)
    ends = BELOW.project(bar_centre(travel)[:, None] + np.array([[0.0, -90, 0], [0.0, 90, 0]]))
    bar = _Layer(points=ends, radii=np.full(2, BAR_RADIUS), rank=np.full(len(times), np.inf))
    lit = _within(places, fixtures.spot(BELOW, times), SPOT_RADIUS)
    return _behind_animal(places, own, [*feet, bar]) | lit


def _behind_animal(
    places: Float[np.ndarray, "t k 2"], own: Float[np.ndarray, "t k"], layers: list[_Layer]
) -> Bool[np.ndarray, "t k"]:
    hidden = np.zeros(own.shape, dtype=bool)
    for layer in layers:
        hidden |= (layer.rank[:, None] > own) & _covers(layer, places)
    return hidden


def _covers(layer: _Layer, places: Float[np.ndarray, "t k 2"]) -> Bool[np.ndarray, "t k"]:
    """Tell which places lie on the rounded line through the layer's balls."""
    start, along = layer.points[:, None, :-1], np.diff(layer.points, axis=1)[:, None]
    reach = places[:, :, None] - start
    share = (reach * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-12)
    share = np.clip(share, 0, 1)
    distance = np.linalg.norm(reach - share[..., None] * along, axis=-1)
    radius = layer.radii[:-1] + share * np.diff(layer.radii)
    return (distance < radius).any(axis=-1)


def _within(
    places: Float[np.ndarray, "t k 2"], centre: Float[np.ndarray, "t 2"], radius: float
) -> Bool[np.ndarray, "t k"]:
    return np.linalg.norm(places - centre[:, None], axis=-1) < radius
