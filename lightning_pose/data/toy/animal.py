"""The toy animal in three dimensions: a mouse of rounded chains, posed for any instant.

World axes: x to the right (where the animal walks), y away from the side camera (its left), z up.
One unit is about one pixel; the origin is the top of the wheel it walks on. Shapes are chains of
balls: points and radii, filled in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lightning_pose.data.toy.motion import LEGS, Gait, Wander

WHEEL_RADIUS = 190.0

_SPINE = np.array(
    # along, up, radius
    [
        [-45, 2.5, 7.0],
        [-41, 2.0, 11.5],
        [-34, 1.5, 15.5],
        [-24, 1.5, 17.5],
        [-12, 2.0, 18.0],
        [0, 1.5, 17.0],
        [12, 1.0, 15.5],
        [22, 1.5, 14.5],
        [31, 3.0, 13.0],
        [38, 5.0, 11.0],
    ],
    dtype=np.float64,
)
_HEAD = np.array(
    # along, up, radius
    [[0, 0, 11], [7, 0.5, 11.2], [13, -0.5, 9.8], [19, -2.2, 7], [25, -3.8, 4.4], [30, -4.8, 2.2]]
)
_NECK = np.array([37.0, 0.0, 6.0])
_RUMP = np.array([-54.5, 0.0, 2.5])
_TAIL_LENGTH, _TAIL_NODES = 54.0, 12
_HIPS = {"front": np.array([25.0, 11.0, -5.0]), "hind": np.array([-27.0, 12.0, -3.0])}
_BONES = {"front": (14.0, 15.0), "hind": (19.0, 18.0)}
_HEELS = {"front": np.array([-3.5, 0.0, 6.0]), "hind": np.array([-10.0, 0.0, 7.0])}
_LEG_RADII = {"front": (8.5, 4.2, 2.9, 3.0), "hind": (12.0, 5.8, 3.0, 3.3)}
_BODY_HEIGHT = 34.0


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A row of balls over time.

    Attributes:
        points: centres in world units.
        radii: one a ball.
    """

    points: Float[np.ndarray, "*t n 3"]
    radii: Float[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where every part of the animal is, at several instants or (without time axis) at one.

    Attributes:
        chains: ``spine``, ``head``, ``tail`` and one for each leg (hip, knee, ankle, paw).
        ears: centres of the right and the left ear.
        eyes: the right and the left eye.
        heading: unit vector the body points along.
        heights: how far each paw, in the order of LEGS, is above where it stands.
    """

    chains: dict[str, Chain]
    ears: Float[np.ndarray, "*t 2 3"]
    eyes: Float[np.ndarray, "*t 2 3"]
    heading: Float[np.ndarray, "*t 3"]
    heights: Float[np.ndarray, "*t 4"]

    @property
    def keypoints(self) -> Float[np.ndarray, "*t k 3"]:
        """Return the keypoints in the order of ``skeleton.BODY_PARTS``, in world units."""
        tail = self.chains["tail"].points
        paws = [self.chains[leg].points[..., -1, :] for leg in LEGS]
        nose = self.chains["head"].points[..., -1, :]
        return np.stack([nose, *paws, tail[..., 0, :], tail[..., -1, :]], axis=-2)

    def at(self, instant: int) -> Pose:
        """Return the pose at one of the instants, without time axis."""
        return Pose(
            chains={
                name: Chain(points=chain.points[instant], radii=chain.radii)
                for name, chain in self.chains.items()
            },
            ears=self.ears[instant],
            eyes=self.eyes[instant],
            heading=self.heading[instant],
            heights=self.heights[instant],
        )


@dataclass(frozen=True, kw_only=True)
class Animal:
    """One animal on one walk.

    Attributes:
        size: 1 = a body of 80 units.
        gait: how it steps.
        wanders: slow changes by name, see ``_WANDERS``.
        centre_x: where it walks, in world units.
    """

    size: float
    gait: Gait
    wanders: dict[str, Wander]
    centre_x: float = 10.0

    @classmethod
    def draw(cls, rng: np.random.Generator, *, size: float) -> Animal:
        """Return a random animal of this size."""
        wanders = {name: Wander.draw(rng, reach=r, period=p) for name, (r, p) in _WANDERS.items()}
        return cls(size=size, gait=Gait.draw(rng), wanders=wanders)

    def pose(self, times: Float[np.ndarray, " t"]) -> Pose:
        """Return the pose at ``times`` (frames, fractions allowed)."""
        frame = self._body_frame(times)
        spine = _in_world(frame, np.insert(_SPINE[:, :2], 1, 0.0, axis=1) * self.size)
        head_frame = self._head_frame(times, frame)
        head = _in_world(head_frame, np.insert(_HEAD[:, :2], 1, 0.0, axis=1) * self.size)
        sides = np.array([[1, -1, 1], [1, 1, 1]])
        legs = {leg: self._leg(leg, times, frame) for leg in LEGS}
        paws = np.stack([chain.points[:, -1] for chain in legs.values()], axis=1)
        chains = {
            "spine": Chain(points=spine, radii=_SPINE[:, 2] * self.size),
            "head": Chain(points=head, radii=_HEAD[:, 2] * self.size),
            "tail": self._tail(times, frame),
            **legs,
        }
        return Pose(
            chains=chains,
            ears=_in_world(head_frame, np.array([2.5, 8.5, 9.0]) * sides * self.size),
            eyes=_in_world(head_frame, np.array([14.5, 7.0, 3.2]) * sides * self.size),
            heading=frame.axes[:, 0],
            heights=paws[..., 2] - ground_height(paws[..., 0]) - self._sole,
        )

    @property
    def _sole(self) -> float:
        """Return how high a standing paw's centre is above the wheel."""
        return 3.0 * self.size

    def _body_frame(self, times: Float[np.ndarray, " t"]) -> _Frame:
        wander = {name: signal(times) for name, signal in self.wanders.items()}
        bob = np.sin(4 * np.pi * self.gait.strides(times)) * 1.2
        origin = np.stack(
            [
                self.centre_x + wander["x"],
                wander["y"],
                (_BODY_HEIGHT + wander["z"] + bob) * self.size,
            ],
            axis=-1,
        )
        sway = np.sin(2 * np.pi * self.gait.strides(times)) * 0.04
        return _Frame(origin=origin, axes=_axes(wander["yaw"] + sway, wander["pitch"]))

    def _head_frame(self, times: Float[np.ndarray, " t"], body: _Frame) -> _Frame:
        yaw = self.wanders["yaw"](times) + self.wanders["head_yaw"](times)
        pitch = self.wanders["pitch"](times) + self.wanders["head_pitch"](times) - 0.1
        origin = _in_world(body, _NECK[None] * self.size)[:, 0]
        return _Frame(origin=origin, axes=_axes(yaw, pitch))

    def _tail(self, times: Float[np.ndarray, " t"], body: _Frame) -> Chain:
        along = np.linspace(0, 1, _TAIL_NODES)
        wave = 2 * np.pi * (self.gait.strides(times)[:, None] * 0.5 - 0.7 * along)
        yaw = self.wanders["yaw"](times)[:, None] + along * (
            self.wanders["tail_yaw"](times)[:, None] * 1.6 + 0.35 * np.sin(wave)
        )
        pitch = -0.1 + along * (
            0.5 + self.wanders["tail_pitch"](times)[:, None] + 0.15 * np.cos(wave)
        )
        step = -np.stack(
            [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)], -1
        )
        step *= self.size * _TAIL_LENGTH / (_TAIL_NODES - 1)
        start = _in_world(body, _RUMP[None] * self.size)
        points = np.concatenate([start, start + np.cumsum(step[:, 1:], axis=1)], axis=1)
        return Chain(points=points, radii=np.linspace(4.2, 1.1, _TAIL_NODES) * self.size)

    def _leg(self, leg: str, times: Float[np.ndarray, " t"], body: _Frame) -> Chain:
        pair, side = leg.split("_")
        outward = np.array([1.0, -1.0 if side == "right" else 1.0, 1.0])
        hip = _in_world(body, _HIPS[pair][None] * outward * self.size)[:, 0]
        forward, up = self.gait.paw(leg, times)
        spread = 1.5 + self.wanders[f"spread_{pair}"](times)
        paw = hip + body.axes[:, 0] * (forward * self.size)[:, None]
        paw[:, 1] += outward[1] * spread * self.size
        paw[:, 2] = ground_height(paw[:, 0]) + self._sole + up * self.size
        flex = 1 + 0.5 * up[:, None] / self.gait.lift
        ankle = paw + _HEELS[pair] * flex * self.size
        upper, lower = (bone * self.size for bone in _BONES[pair])
        bend = body.axes[:, 0] * (1.0 if pair == "hind" else -1.0)
        knee = _bent_joint(hip, ankle, upper=upper, lower=lower, bend=bend)
        return Chain(
            points=np.stack([hip, knee, ankle, paw], axis=1),
            radii=np.array(_LEG_RADII[pair]) * self.size,
        )


# name: (reach, period in frames); lengths in world units, angles in radians
_WANDERS = {
    "x": (20.0, 160.0),
    "y": (9.0, 140.0),
    "z": (2.5, 90.0),
    "yaw": (0.16, 150.0),
    "pitch": (0.13, 120.0),
    "head_yaw": (0.55, 70.0),
    "head_pitch": (0.4, 60.0),
    "tail_yaw": (0.9, 80.0),
    "tail_pitch": (0.9, 95.0),
    "spread_front": (4.0, 50.0),
    "spread_hind": (5.0, 60.0),
}


def ground_height(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Return the height of the wheel's rim at ``x``: 0 on top, falling to both sides."""
    return np.sqrt(WHEEL_RADIUS**2 - np.clip(x, -180, 180) ** 2) - WHEEL_RADIUS


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """A moving coordinate system: forward, left and up axes are the rows of ``axes``."""

    origin: Float[np.ndarray, "t 3"]
    axes: Float[np.ndarray, "t 3 3"]


def _axes(
    yaw: Float[np.ndarray, " t"], pitch: Float[np.ndarray, " t"]
) -> Float[np.ndarray, "t 3 3"]:
    zero = np.zeros_like(yaw)
    forward = [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)]
    left = [-np.sin(yaw), np.cos(yaw), zero]
    up = [-np.sin(pitch) * np.cos(yaw), -np.sin(pitch) * np.sin(yaw), np.cos(pitch)]
    return np.stack([np.stack(axis, axis=-1) for axis in (forward, left, up)], axis=1)


def _in_world(frame: _Frame, local: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "t n 3"]:
    return frame.origin[:, None] + np.einsum("ni,tij->tnj", local, frame.axes)


def _bent_joint(
    root: Float[np.ndarray, "t 3"],
    end: Float[np.ndarray, "t 3"],
    *,
    upper: float,
    lower: float,
    bend: Float[np.ndarray, "t 3"],
) -> Float[np.ndarray, "t 3"]:
    """Return the knee of two bones, on the side of ``bend``; too short bones are stretched."""
    reach = end - root
    length = np.linalg.norm(reach, axis=-1, keepdims=True)
    direction = reach / length
    along = np.clip((length**2 + upper**2 - lower**2) / (2 * length), 0, upper)
    aside = bend - (bend * direction).sum(-1, keepdims=True) * direction
    aside /= np.linalg.norm(aside, axis=-1, keepdims=True)
    return root + along * direction + np.sqrt(upper**2 - along**2) * aside
