"""Drawing the side view: the animal on its wheel before a dark backdrop, a post in front."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from lightning_pose.data.toy.animal import WHEEL_RADIUS, Pose
from lightning_pose.data.toy.canvas import Canvas
from lightning_pose.data.toy.fixtures import BAR_RADIUS, POST_HALF_WIDTH, on_rim
from lightning_pose.data.toy.look import Look
from lightning_pose.data.toy.motion import LEGS
from lightning_pose.data.toy.skeleton import IMAGE_WIDTH
from lightning_pose.data.toy.views import SIDE

_RIM_DEPTH = 20.0
_HOLE_SPACING, _NUM_HOLES, _SCREW_EVERY = 17.0, 19, 7
_TOES = np.array([[5.5, 0.0, -1.6], [6.3, 0.0, -0.4], [5.2, 0.0, 1.0]])
_ROUND = np.linspace(0.5, 1.0, 6)
_THIGH = np.linspace(0.86, 1.12, 6)
_LIGHT_FROM = (-0.1, -0.25)
_COAT_ORIGIN = np.array([360, 210])


def side_stage(look: Look) -> Canvas:
    """Return what stands still behind the animal: the backdrop and the wheel's rim."""
    stage = Canvas(width=IMAGE_WIDTH, height=SIDE.height, shade=look.backdrop)
    for x, width, gain in ((30.0, 7.0, 1.8), (196.0, 4.0, 2.4), (206.0, 2.0, 1.7)):
        stage.tube(_column(x, lean=3.0), np.full(2, width / 2), look.backdrop * gain)
    stage.pixels[:] = cv2.GaussianBlur(stage.pixels, (0, 0), 5)
    hub = SIDE.project(np.array([0.0, 0.0, -WHEEL_RADIUS]))
    rim = [(0.0, 1.25), (1.5, 0.75), (4.0, 1.0), (_RIM_DEPTH - 1.5, 1.3)]
    for depth, gain in rim:
        stage.disc(hub, WHEEL_RADIUS - depth, look.wheel * gain)
    stage.disc(hub, WHEEL_RADIUS - _RIM_DEPTH, look.backdrop * 0.7)
    return stage


def coat_texture(rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    """Return short hairs along x and patches, as gains around 1, larger than the animal."""
    hairs = rng.standard_normal((420, 700)).astype(np.float32)
    fine = cv2.GaussianBlur(hairs, (0, 0), sigmaX=4.0, sigmaY=0.8)
    patches = cv2.GaussianBlur(hairs, (0, 0), sigmaX=16.0, sigmaY=9.0)
    return 1 + 0.13 * fine / fine.std() + 0.10 * patches / patches.std()


def draw_wheel_holes(canvas: Canvas, look: Look, *, travel: float) -> None:
    """Draw the holes in the rim, some of them screws, as far on as the wheel has turned."""
    first = int(travel // _HOLE_SPACING)
    numbers = first + np.arange(_NUM_HOLES)
    arcs = (_NUM_HOLES // 2 - np.arange(_NUM_HOLES)) * _HOLE_SPACING - travel % _HOLE_SPACING
    for number, place in zip(numbers[::-1], on_rim(arcs[::-1], above=-11.5), strict=True):
        centre = SIDE.project(place)
        if number % _SCREW_EVERY == 0:
            canvas.disc(centre, 3.6, look.wheel * 1.5)
            canvas.ring(centre, 2.2, width=0.8, shade=look.wheel * 0.6)
            canvas.disc(centre + 0.8, 0.9, 235.0)
        else:
            canvas.disc(centre, 3.2, look.wheel * 1.35)
            canvas.disc(centre, 2.5, look.backdrop)


def draw_animal_from_side(
    canvas: Canvas, look: Look, pose: Pose, *, coat: Float[np.ndarray, "h w"]
) -> None:
    """Draw the animal in its ``coat``, parts that are further away first."""
    for leg in ("hind_left", "front_left"):
        _draw_thigh(canvas, look, pose, leg, gain=0.62)
        _draw_foot(canvas, look, pose, leg, gain=0.75)
    tail = pose.chains["tail"]
    shades = look.skin * np.array([0.5, 0.7, 0.8])
    canvas.rounded(SIDE.project(tail.points), tail.radii, shades, towards_light=(0.0, -0.3))
    _draw_ear(canvas, look, pose, ear=1, gain=0.7)
    _draw_trunk(canvas, look, pose)
    for leg in ("hind_right", "front_right"):
        _draw_thigh(canvas, look, pose, leg, gain=1.0)
    _apply_coat(canvas, pose, coat)
    for leg in ("hind_right", "front_right"):
        _draw_foot(canvas, look, pose, leg, gain=1.0)
    _draw_face(canvas, look, pose)


def draw_bar_end(canvas: Canvas, *, place: Float[np.ndarray, " 3"]) -> None:
    """Draw the near end of the bar on the wheel, a bright spot, at ``place`` (world units)."""
    centre = SIDE.project(place)
    canvas.disc(centre, BAR_RADIUS, 150.0)
    canvas.disc(centre - 0.4, BAR_RADIUS - 1.2, 250.0)


def draw_post(canvas: Canvas, look: Look, *, x: float) -> None:
    """Draw the post before the animal, around column ``x``."""
    for half_width, gain in ((POST_HALF_WIDTH, 0.5), (POST_HALF_WIDTH - 1, 0.8), (1.0, 1.1)):
        canvas.tube(_column(x), np.full(2, half_width), look.wheel * gain)


def _draw_trunk(canvas: Canvas, look: Look, pose: Pose) -> None:
    for name in ("spine", "head"):
        chain = pose.chains[name]
        points = SIDE.project(chain.points)
        canvas.rounded(points, chain.radii, look.fur * _ROUND, towards_light=_LIGHT_FROM)


def _draw_thigh(canvas: Canvas, look: Look, pose: Pose, leg: str, *, gain: float) -> None:
    chain = pose.chains[leg]
    points = SIDE.project(chain.points[:2])
    shades = look.fur * gain * _THIGH
    canvas.rounded(points, chain.radii[:2], shades, towards_light=_LIGHT_FROM)


def _draw_foot(canvas: Canvas, look: Look, pose: Pose, leg: str, *, gain: float) -> None:
    """Draw shank, ankle, toes and pad; toes of a lifted paw hang down."""
    chain = pose.chains[leg]
    points, radii = SIDE.project(chain.points), chain.radii
    shank = (0.55 * look.fur + 0.45 * look.skin) * gain
    canvas.rounded(points[1:3], radii[1:3], shank * np.linspace(0.6, 1, 3))
    canvas.rounded(points[2:], radii[2:], look.skin * gain * np.array([0.6, 0.8, 0.9]))
    lifted = min(float(pose.heights[LEGS.index(leg)]) / 8.0, 1.0)
    toes = (_TOES * [pose.heading[0], 0, 1] - [0, 0, 2.2 * lifted]) * look.size
    for tip in SIDE.project(chain.points[3] + toes):
        thickness = np.array([1.5, 0.9]) * look.size
        canvas.tube(np.stack([points[3], tip]), thickness, look.skin * gain)
    canvas.disc(points[3], float(radii[3]) * 0.8, look.pads * gain)


def _apply_coat(canvas: Canvas, pose: Pose, coat: Float[np.ndarray, "h w"]) -> None:
    """Multiply the coat's texture onto trunk and near thighs; it moves with the spine."""
    shape = Canvas(width=IMAGE_WIDTH, height=SIDE.height)
    for name, length in (("spine", None), ("head", None), ("hind_right", 2), ("front_right", 2)):
        chain = pose.chains[name]
        shape.tube(SIDE.project(chain.points[:length]), chain.radii[:length], 255.0)
    x, y, width, height = cv2.boundingRect(shape.pixels)
    anchor = SIDE.project(pose.chains["spine"].points[5]) * 2
    left, top = (_COAT_ORIGIN - np.rint(anchor).astype(int) + [x, y]).tolist()
    share = shape.pixels[y : y + height, x : x + width].astype(np.float32) / 255
    gains = 1 + (coat[top : top + height, left : left + width] - 1) * share
    patch = canvas.pixels[y : y + height, x : x + width]
    patch[:] = np.clip(patch * gains, 0, 255).astype(np.uint8)


def _draw_ear(canvas: Canvas, look: Look, pose: Pose, *, ear: int, gain: float) -> None:
    centre = SIDE.project(pose.ears[ear])
    radius = 7.0 * look.size
    shade = (0.7 * look.fur + 0.3 * look.skin) * gain
    canvas.disc(centre, radius, shade * 1.25)
    canvas.disc(centre + np.array([0.4, 0.5]), radius - 1.3, shade * 0.85)
    canvas.disc(centre + np.array([0.9, 1.4]), radius - 3.2, shade * 0.65)


def _draw_face(canvas: Canvas, look: Look, pose: Pose) -> None:
    head = pose.chains["head"]
    snout = SIDE.project(head.points[-2:])
    shade = 0.6 * look.fur + 0.4 * look.skin
    canvas.rounded(snout, head.radii[-2:], shade * np.linspace(0.6, 1, 4))
    canvas.disc(snout[-1], 1.8 * look.size, look.pads)
    _draw_ear(canvas, look, pose, ear=0, gain=1.0)
    eye = SIDE.project(pose.eyes[0])
    canvas.disc(eye, 2.4 * look.size, look.fur * 0.55)
    canvas.disc(eye, 1.8 * look.size, 6.0)
    canvas.disc(eye - [0.5, 0.6], 0.7, 240.0)


def _column(x: float, *, lean: float = 0.0) -> Float[np.ndarray, "2 2"]:
    return np.array([[x, -10.0], [x + lean, SIDE.height + 10.0]])
