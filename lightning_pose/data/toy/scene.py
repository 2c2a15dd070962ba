"""One session of the toy set-up: what its camera sees in a frame, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from lightning_pose.data.toy.animal import Animal, Pose
from lightning_pose.data.toy.below_view import (
    draw_bar,
    draw_paws,
    mesh_texture,
    through_mesh,
    trunk_glow,
)
from lightning_pose.data.toy.canvas import Canvas
from lightning_pose.data.toy.fixtures import (
    BLOB_RADIUS,
    SPOT_RADIUS,
    Fixtures,
    bar_centre,
)
from lightning_pose.data.toy.look import Look
from lightning_pose.data.toy.occlusion import hidden_from_below, hidden_from_side
from lightning_pose.data.toy.side_view import (
    coat_texture,
    draw_animal_from_side,
    draw_bar_end,
    draw_post,
    draw_wheel_holes,
    side_stage,
)
from lightning_pose.data.toy.skeleton import IMAGE_HEIGHT, IMAGE_WIDTH
from lightning_pose.data.toy.views import BELOW, SIDE, View

# The shutter is open for 0.35 of a frame; two instants of it make the blur of what moves.
_INSTANTS = np.array([-0.0875, 0.0875])
_BLACK_LEVEL = 6.0
_SENSOR_STEP = 4
_SPOT_SHADE = 235.0
_HAZE_SHADE = 26.0


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is known of the keypoints because they were made.

    Attributes:
        xy_img: exact places in image pixels; NaN = outside the part of the image that is the view.
        visible: 0 outside, 1 hidden, 2 visible.
    """

    xy_img: Float[np.ndarray, "t k 2"]
    visible: Int[np.ndarray, "t k"]


class Scene:
    """An animal, its furniture and a camera. Frames may be asked for in any order.

    Args:
        seed: of the data set.
        session: number of the session; with ``seed`` it decides everything.
        new: a session unlike those of the training set.

    Attributes:
        stream: seed and session number, to begin random streams with.
        look: coat, light and camera.
        animal: what walks.
        fixtures: post, wheel and reflections.
    """

    def __init__(self, *, seed: int, session: int, new: bool = False) -> None:
        rng = np.random.default_rng([seed, session])
        self.stream = (seed, session)
        self.look = Look.draw_new(rng) if new else Look.draw(rng)
        self.animal = Animal.draw(rng, size=self.look.size)
        self.fixtures = Fixtures.draw(rng)
        self._coat = coat_texture(rng)
        self._stage = side_stage(self.look)
        self._mesh = mesh_texture()
        self._light = _light(self.look)

    def render(self, frame: int, *, noise: bool = True) -> UInt8[np.ndarray, "h w"]:
        """Return the grey picture of one frame; ``noise=False`` leaves out the sensor as well."""
        times = frame + np.append(_INSTANTS, 0.0)
        pose = self.animal.pose(times)
        travel = self._travel(times)
        glow = trunk_glow(self.look, pose.at(-1))
        picture = np.zeros((IMAGE_HEIGHT, IMAGE_WIDTH), dtype=np.float32)
        for instant in range(len(_INSTANTS)):
            now = times[instant : instant + 1]
            turned = float(travel[instant])
            side = self._draw_side(pose.at(instant), now, turned)
            below = self._draw_below(pose.at(instant), now, turned, glow)
            picture += np.concatenate([side.finished(), below.finished()]) / len(_INSTANTS)
        picture = self._lit(picture, frame)
        return self._sensed(picture, frame) if noise else _as_grey(picture)

    def truth(self, frames: Int[np.ndarray, " t"]) -> Truth:
        """Return the keypoints of some frames, in the order of ``skeleton.KEYPOINT_NAMES``."""
        times = frames.astype(np.float64)
        pose = self.animal.pose(times)
        travel = self._travel(times)
        hidden = [
            hidden_from_side(pose, self.fixtures, times=times, travel=travel),
            hidden_from_below(pose, self.fixtures, times=times, travel=travel),
        ]
        inside = [view.holds(view.project(pose.keypoints)) for view in (SIDE, BELOW)]
        places = [view.in_image(pose.keypoints) for view in (SIDE, BELOW)]
        shown = np.concatenate(inside, axis=1)
        visible = np.where(shown, np.where(np.concatenate(hidden, axis=1), 1, 2), 0)
        xy_img = np.where(shown[..., None], np.concatenate(places, axis=1), np.nan)
        return Truth(xy_img=xy_img, visible=visible)

    def _travel(self, times: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        return self.fixtures.wheel_start + self.look.size * self.animal.gait.travel(times)

    def _draw_side(self, pose: Pose, now: Float[np.ndarray, " 1"], travel: float) -> Canvas:
        canvas = self._stage.copy()
        draw_wheel_holes(canvas, self.look, travel=travel)
        draw_animal_from_side(canvas, self.look, pose, coat=self._coat)
        draw_bar_end(canvas, place=bar_centre(np.array([travel]))[0])
        draw_post(canvas, self.look, x=self.fixtures.post_x)
        canvas.disc(self.fixtures.spot(SIDE, now)[0], SPOT_RADIUS, _SPOT_SHADE)
        return canvas

    def _draw_below(
        self,
        pose: Pose,
        now: Float[np.ndarray, " 1"],
        travel: float,
        glow: Float[np.ndarray, "h w"],
    ) -> Canvas:
        canvas = through_mesh(self.look, glow, mesh=self._mesh, travel=travel)
        draw_paws(canvas, self.look, pose)
        draw_bar(canvas, self.look, x=float(bar_centre(np.array([travel]))[0, 0]))
        canvas.disc(self.fixtures.spot(BELOW, now)[0], SPOT_RADIUS, _SPOT_SHADE)
        return canvas

    def _lit(self, picture: Float[np.ndarray, "h w"], frame: int) -> Float[np.ndarray, "h w"]:
        """Return the picture in the session's uneven light, with a reflection in each view."""
        now = np.array([float(frame)])
        for view in (SIDE, BELOW):
            rows = slice(view.top_row, view.top_row + view.height)
            picture[rows] += _haze(self.fixtures.blob(view, now)[0], view)
        return picture * self._light

    def _sensed(self, picture: Float[np.ndarray, "h w"], frame: int) -> UInt8[np.ndarray, "h w"]:
        """Return what the sensor makes of the light: shot noise, a black level, 64 grey levels."""
        rng = np.random.default_rng([*self.stream, frame])
        grain = rng.standard_normal(picture.shape, dtype=np.float32) * (self.look.noise / 10)
        signal = picture + grain * np.sqrt(picture) - _BLACK_LEVEL
        return _as_grey(np.rint(signal / _SENSOR_STEP) * _SENSOR_STEP)


def _light(look: Look) -> Float[np.ndarray, "h w"]:
    """Return the gain of each pixel: a slope across the image, and darker sides."""
    x = np.linspace(-1, 1, IMAGE_WIDTH)
    y = np.linspace(-1, 1, IMAGE_HEIGHT)[:, None]
    slope_x, slope_y = look.light_slope
    gains = look.brightness * (1 + slope_x * x + slope_y * y) * (1.05 - 0.2 * x**2)
    return gains.astype(np.float32)


def _haze(centre: Float[np.ndarray, " 2"], view: View) -> Float[np.ndarray, "h w"]:
    """Return the grey levels that a blurred reflection adds."""
    across = np.exp(-0.5 * ((np.arange(IMAGE_WIDTH) - centre[0]) / BLOB_RADIUS) ** 2)
    down = np.exp(-0.5 * ((np.arange(view.height) - centre[1]) / BLOB_RADIUS) ** 2)
    return (_HAZE_SHADE * down[:, None] * across).astype(np.float32)


def _as_grey(picture: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
