"""Drawing the view from below: paws sharp on the mesh, the body a dim shape above them."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from lightning_pose.data.toy.animal import Pose
from lightning_pose.data.toy.canvas import Canvas
from lightning_pose.data.toy.fixtures import BAR_RADIUS
from lightning_pose.data.toy.look import Look
from lightning_pose.data.toy.motion import LEGS
from lightning_pose.data.toy.skeleton import IMAGE_WIDTH
from lightning_pose.data.toy.views import BELOW

_MESH_PERIOD = 24
_SLOT_SPACING, _SLOT_LENGTH = 22.0, 13.0
_TOE_ANGLES = np.array([-0.75, -0.25, 0.25, 0.75])
_TOE_LENGTHS = np.array([5.8, 7.6, 7.6, 6.0])
_TURNED_OUT = 0.25
_BLUR = 2.2


def mesh_texture() -> Float[np.ndarray, "h w"]:
    """Return the wheel's mesh, staggered slots, as gains; one period wider than the view."""
    width = IMAGE_WIDTH + _MESH_PERIOD
    canvas = Canvas(width=width, height=BELOW.height, shade=128.0)
    for column in range(2 * width // _MESH_PERIOD + 2):
        x = column * _MESH_PERIOD / 2
        for row in range(-1, int(BELOW.height / _SLOT_SPACING) + 1):
            y = _SLOT_SPACING * (row + 0.5 * (column % 2))
            slot = np.array([[x, y], [x, y + _SLOT_LENGTH]])
            canvas.tube(slot, np.full(2, 2.6), 168.0)
            canvas.tube(slot, np.full(2, 1.8), 84.0)
    return cv2.GaussianBlur(canvas.finished().astype(np.float32) / 128, (0, 0), 0.6)


def trunk_glow(look: Look, pose: Pose) -> Float[np.ndarray, "h w"]:
    """Return the blurred grey levels of what is above the paws: tail, body, head, legs."""
    canvas = Canvas(width=IMAGE_WIDTH, height=BELOW.height)
    for ear in BELOW.project(pose.ears):
        canvas.disc(ear, 6.0 * look.size, look.fur * 0.5)
    for name, gain in (("spine", 0.85), ("head", 1.0)):
        chain = pose.chains[name]
        shades = look.fur * gain * np.linspace(0.4, 1.0, 5)
        canvas.rounded(BELOW.project(chain.points), chain.radii * 0.93, shades)
    for leg in LEGS:
        chain = pose.chains[leg]
        points = BELOW.project(chain.points)
        thigh = look.fur * np.array([0.9, 1.1, 1.25])
        canvas.rounded(points[:2], chain.radii[:2] * 0.75, thigh)
        canvas.rounded(points[1:3], chain.radii[1:3] * 0.8, look.skin * np.array([0.4, 0.5]))
    tail = pose.chains["tail"]
    shades = look.skin * np.array([0.4, 0.6, 0.7])
    canvas.rounded(BELOW.project(tail.points), tail.radii, shades)
    snout = BELOW.project(pose.chains["head"].points[-2:])
    canvas.rounded(snout, np.array([3.6, 2.4]) * look.size, look.skin * np.array([0.45, 0.7]))
    return cv2.GaussianBlur(canvas.finished().astype(np.float32), (0, 0), _BLUR)


def through_mesh(
    look: Look,
    glow: Float[np.ndarray, "h w"],
    *,
    mesh: Float[np.ndarray, "h2 w2"],
    travel: float,
) -> Canvas:
    """Return the glow seen through the mesh, as far on as the wheel has turned."""
    shift = np.array([[1, 0, -(travel % _MESH_PERIOD)], [0, 1, 0]], dtype=np.float32)
    slots = cv2.warpAffine(mesh, shift, (IMAGE_WIDTH, BELOW.height))
    picture = np.clip(slots * (look.floor + 0.9 * glow), 0, 255)
    return Canvas.showing(picture.astype(np.uint8))


def draw_paws(canvas: Canvas, look: Look, pose: Pose) -> None:
    """Draw the paws, the highest first."""
    for number in np.argsort(-pose.heights):
        _draw_paw(canvas, look, pose, LEGS[number], height=float(pose.heights[number]))


def draw_bar(canvas: Canvas, look: Look, *, x: float) -> None:
    """Draw the bar that lies across the wheel at ``x`` (world units)."""
    ends = BELOW.project(np.array([[x, -90.0, 0.0], [x, 90.0, 0.0]]))
    for half_width, gain in ((BAR_RADIUS, 0.9), (BAR_RADIUS - 1.0, 1.3), (0.9, 1.7)):
        canvas.tube(ends, np.full(2, half_width), look.wheel * gain)


def _draw_paw(canvas: Canvas, look: Look, pose: Pose, leg: str, *, height: float) -> None:
    """Draw ankle, toes and pad; the higher above the mesh, the dimmer."""
    chain = pose.chains[leg]
    points = BELOW.project(chain.points)
    dimmed = 0.6 + 0.4 * float(np.exp(-max(height, 0.0) / 7))
    skin = look.skin * dimmed
    canvas.rounded(points[2:], chain.radii[2:] * [0.8, 1.0], skin * np.array([0.75, 0.85]))
    outward = _TURNED_OUT if leg.endswith("left") else -_TURNED_OUT
    angles = _TOE_ANGLES + outward + np.arctan2(pose.heading[1], pose.heading[0])
    toes = np.stack([np.cos(angles), np.sin(angles), np.zeros(4)], axis=1)
    toes *= _TOE_LENGTHS[:, None] * look.size
    for tip in BELOW.project(chain.points[3] + toes):
        canvas.tube(np.stack([points[3], tip]), np.array([1.6, 1.0]) * look.size, skin)
    canvas.disc(points[3], float(chain.radii[3]) * 0.9, look.pads * dimmed)
