"""Anti-aliased drawing of rounded shapes at exact sub-pixel places."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Int32, UInt8

_FINER = 2  # the canvas has twice the pixels of the picture in each direction
_FRACTION_BITS = 4
_UNIT = 2**_FRACTION_BITS


class Canvas:
    """A grey picture to draw on. All coordinates are picture pixels, whose centres are integers.

    Args:
        width: of the finished picture.
        height: of the finished picture.
        shade: grey level to start from.
    """

    def __init__(self, *, width: int, height: int, shade: float = 0.0) -> None:
        self.pixels = np.full((height * _FINER, width * _FINER), shade, dtype=np.uint8)

    @classmethod
    def showing(cls, picture: UInt8[np.ndarray, "h w"]) -> Canvas:
        """Return a canvas to draw on over ``picture``."""
        height, width = picture.shape
        canvas = cls(width=width, height=height)
        canvas.pixels = cv2.resize(picture, None, fx=_FINER, fy=_FINER)
        return canvas

    def copy(self) -> Canvas:
        """Return a canvas with the same picture."""
        height, width = self.pixels.shape
        twin = Canvas(width=width // _FINER, height=height // _FINER)
        twin.pixels[:] = self.pixels
        return twin

    def finished(self) -> UInt8[np.ndarray, "h w"]:
        """Return the picture at its final size."""
        height, width = self.pixels.shape
        return cv2.resize(
            self.pixels, (width // _FINER, height // _FINER), interpolation=cv2.INTER_AREA
        )

    def disc(self, centre: Float[np.ndarray, " 2"], radius: float, shade: float) -> None:
        """Draw a filled disc."""
        self._discs(centre[None], np.array([radius]), shade)

    def ring(
        self, centre: Float[np.ndarray, " 2"], radius: float, *, width: float, shade: float
    ) -> None:
        """Draw a circle line of about ``width`` pixels."""
        thickness = max(round(width * _FINER), 1)
        self._discs(centre[None], np.array([radius]), shade, thickness=thickness)

    def polygon(self, corners: Float[np.ndarray, "n 2"], shade: float) -> None:
        """Draw a filled convex polygon."""
        cv2.fillConvexPoly(self.pixels, _places(corners), shade, cv2.LINE_AA, _FRACTION_BITS)

    def tube(
        self, points: Float[np.ndarray, "n 2"], radii: Float[np.ndarray, " n"], shade: float
    ) -> None:
        """Draw discs along a line, filled in between: a flat rounded shape."""
        self._discs(points, radii, shade)
        along = points[1:] - points[:-1]
        length = np.maximum(np.sqrt((along * along).sum(axis=1, keepdims=True)), 1e-6)
        across = along[:, ::-1] * np.array([-1.0, 1.0]) / length
        first, last = across * radii[:-1, None], across * radii[1:, None]
        start, end = points[:-1], points[1:]
        corners = np.concatenate([start + first, end + last, end - last, start - first], axis=1)
        for corner in _places(corners.reshape(-1, 4, 2)):
            cv2.fillConvexPoly(self.pixels, corner, shade, cv2.LINE_AA, _FRACTION_BITS)

    def rounded(
        self,
        points: Float[np.ndarray, "n 2"],
        radii: Float[np.ndarray, " n"],
        shades: Float[np.ndarray, " m"],
        *,
        towards_light: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Draw a tube that looks round: ever thinner tubes on each other, from rim to middle.

        Args:
            points: centres of the balls.
            radii: of the balls.
            shades: grey level of each layer, rim first.
            towards_light: where the middle moves to, as a share of the radius.
        """
        light = radii[:, None] * np.array(towards_light)
        for layer, shade in enumerate(shades.tolist()):
            inset = layer / len(shades)
            self.tube(points + light * inset, radii * (1 - inset), shade)

    def _discs(
        self,
        centres: Float[np.ndarray, "n 2"],
        radii: Float[np.ndarray, " n"],
        shade: float,
        *,
        thickness: int = cv2.FILLED,
    ) -> None:
        sizes = np.maximum(np.rint(radii * (_FINER * _UNIT)), 1).astype(np.int32).tolist()
        for place, size in zip(_places(centres).tolist(), sizes, strict=True):
            cv2.circle(self.pixels, place, size, shade, thickness, cv2.LINE_AA, _FRACTION_BITS)


def _places(points: Float[np.ndarray, "*n 2"]) -> Int32[np.ndarray, "*n 2"]:
    """Return picture pixels as OpenCV's fixed-point numbers on the finer canvas."""
    return np.rint(points * (_FINER * _UNIT) + ((_FINER - 1) / 2 * _UNIT)).astype(np.int32)
