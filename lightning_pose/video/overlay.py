"""A video with the predicted keypoints drawn in."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from lightning_pose.contracts.errors import ConfigError, VideoError
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.video.background import in_background
from lightning_pose.video.decode import Decoder, Picture
from lightning_pose.video.info import VideoInfo
from lightning_pose.video.window import pictures_in
from lightning_pose.video.writer import VideoWriter

_SHIFT = 4  # OpenCV draws at 1/16 pixel
_TICKS_PER_S = 90_000
_SAME_TIME_S = Fraction(1, 1000)
_FRAMES_AHEAD = 16
# Half the work of the writer's own settings for 1 dB less and a file of the same size: encoding is
# most of the time that a labelled video takes. Without the offset small dots leave their colour
# behind where they were a frame before.
ENCODING = {"preset": "superfast", "crf": 20, "chroma_qp_offset": -12}
_FONT_PX = 22  # height of the font's capitals at scale 1
_DARK, _LIGHT, _WHITE = (16, 16, 16), (240, 240, 240), (255, 255, 255)
_LUMINANCE = (0.299, 0.587, 0.114)
_MIDDLE_GREY = 110


def draw_labeled_video(
    video: Path | str,
    out: Path | str,
    predictions: Predictions,
    *,
    confidence_threshold: float = 0.9,
    colormap: str = "cool",
    frames: range | None = None,
    on_frame: Callable[[int], object] | None = None,
) -> Path:
    """Write ``video`` with dots on its keypoints and the frame number; return ``out``.

    Same frames, same times, same size (an odd width or height grows by a pixel). Decoding, drawing
    and encoding work at the same time, each in threads of its own.

    Args:
        video: what was predicted.
        out: the file to write; it appears whole or not at all.
        predictions: one row for each frame of ``video``.
        confidence_threshold: keypoints below it are not drawn; those of unknown confidence are.
        colormap: name of a matplotlib colour map; every keypoint has its own colour.
        frames: only these consecutive numbers (a snippet); None = all. What lies before them is
            not decoded where the index of the file leads to them.
        on_frame: is told after each frame how many are done.

    Raises:
        VideoError: the video cannot be read, or has another number of frames than ``predictions``.
        ConfigError: there is no such colour map.
        WriteError: the file cannot be written.
    """
    decoder = Decoder(video)
    wanted = frames if frames is not None else range(len(predictions))
    painter = Painter.for_size(
        decoder.info.height,
        decoder.info.width,
        colors=keypoint_colors(len(predictions.keypoint_names), colormap),
    )
    shown = np.where(
        predictions.confidence[..., None] < confidence_threshold, np.nan, predictions.xy_img
    )
    clock = _Clock(decoder.info)
    pictures = iter(decoder) if frames is None else pictures_in(decoder, frames, len(shown))
    decoded = in_background(_copied(pictures), ahead=_FRAMES_AHEAD)
    drawn = in_background(_drawn(decoded, painter, shown, wanted), ahead=_FRAMES_AHEAD)
    with clock.writer(Path(out)) as writer, contextlib.closing(drawn) as pictures:
        for picture in pictures:
            writer.write(picture.pixels, pts=clock.ticks(picture.time_s))
            if on_frame is not None:
                on_frame(writer.num_frames)
        if writer.num_frames < len(wanted) or decoder.num_frames > len(predictions):
            raise _wrong_number(decoder.info, len(predictions))
    return Path(out)


def keypoint_colors(number: int, colormap: str) -> UInt8[np.ndarray, "{number} 3"]:
    """Return evenly spread RGB colours of a matplotlib colour map.

    Raises:
        ConfigError: there is no such map; the message names the nearest.
    """
    import matplotlib

    if colormap not in matplotlib.colormaps:
        near = difflib.get_close_matches(colormap, list(matplotlib.colormaps), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"There is no colour map named {colormap!r}.{hint}")
    places = np.linspace(0, 1, number) if number > 1 else np.array([0.5])
    return np.round(matplotlib.colormaps[colormap](places)[:, :3] * 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Painter:
    """Draws dots and a frame number, in sizes that suit the picture.

    Attributes:
        colors: RGB of each keypoint.
        radius_px: of a dot.
        outline_px: width of its rim.
        text_scale: of the font.
    """

    colors: UInt8[np.ndarray, "k 3"]
    radius_px: float
    outline_px: float
    text_scale: float

    @classmethod
    def for_size(cls, height: int, width: int, *, colors: UInt8[np.ndarray, "k 3"]) -> Painter:
        """Return a painter for pictures of ``height`` x ``width`` pixels."""
        side = min(height, width)
        text_px = float(np.clip(side / 28, 9, 48))
        return cls(
            colors=colors,
            radius_px=float(np.clip(side / 110, 1.5, 16)),
            outline_px=float(np.clip(side / 600, 0.6, 3)),
            text_scale=text_px / _FONT_PX,
        )

    def draw(
        self,
        picture: UInt8[np.ndarray, "height width 3"],
        xy_img: Float[np.ndarray, "k 2"],
        *,
        label: str = "",
    ) -> None:
        """Draw into ``picture``: ``label``, and a dot at every keypoint that is not NaN.

        A bright dot has a dark rim and a dark one a bright rim, to stand out on any ground.
        """
        import cv2  # here, because readers are looked for in this room and do not need it

        if label:
            self._write(picture, label)
        rim = round((self.radius_px + self.outline_px) * 2**_SHIFT)
        core = round(self.radius_px * 2**_SHIFT)
        height, width = picture.shape[:2]
        near = (np.abs(xy_img) < 2 * max(height, width) + 100).all(-1)  # False for NaN
        for (x, y), color in zip(xy_img[near], self.colors[near].tolist(), strict=True):
            center = (round(float(x) * 2**_SHIFT), round(float(y) * 2**_SHIFT))
            around = _DARK if np.dot(color, _LUMINANCE) > _MIDDLE_GREY else _LIGHT
            cv2.circle(picture, center, rim, around, cv2.FILLED, cv2.LINE_AA, _SHIFT)
            cv2.circle(picture, center, core, color, cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def _write(self, picture: UInt8[np.ndarray, "height width 3"], text: str) -> None:
        """Write white text on a darkened plate in the upper left corner."""
        import cv2

        font, scale = cv2.FONT_HERSHEY_DUPLEX, self.text_scale
        (width, height), _ = cv2.getTextSize(text, font, scale, 1)
        pad = max(2, round(0.35 * height))
        plate = picture[: height + 2 * pad, : width + 2 * pad]
        plate[:] = plate // 3
        corner = (pad, pad + height)
        thickness = max(1, round(scale * 1.3))
        cv2.putText(picture, text, corner, font, scale, _WHITE, thickness, cv2.LINE_AA)


class _Clock:
    """Gives every frame of the copy the time it has in the source.

    Times that lie on the even grid of the frame rate, but for rounding, are put on it.
    """

    def __init__(self, info: VideoInfo) -> None:
        self._info = info
        self._even = info.variable_rate is False
        self._first_s: Fraction | None = None
        self._number = 0
        self._last = -1

    def writer(self, out: Path) -> VideoWriter:
        """Return a writer for frames of the source's size and rate."""
        info = self._info
        self._even = self._even or out.suffix.lower() == ".avi"
        return VideoWriter(
            out,
            fps=info.fps,
            width=info.width,
            height=info.height,
            time_base=None if self._even else Fraction(1, _TICKS_PER_S),
            **ENCODING,
        )

    def ticks(self, time_s: Fraction | None) -> int | None:
        """Return when the next frame is shown, in the writer's units; None = one frame later."""
        if self._even:
            return None
        if self._first_s is None:
            self._first_s = time_s or Fraction(0)
        even_s = self._number / self._info.fps
        since_s = even_s if time_s is None else time_s - self._first_s
        self._number += 1
        when_s = even_s if abs(since_s - even_s) <= _SAME_TIME_S else since_s
        self._last = max(self._last + 1, round(when_s * _TICKS_PER_S))
        return self._last


def _copied(pictures: Iterable[Picture]) -> Generator[Picture]:
    """Yield pictures that may be drawn into."""
    for picture in pictures:
        yield Picture(pixels=picture.pixels.copy(), time_s=picture.time_s)


def _drawn(
    pictures: Generator[Picture],
    painter: Painter,
    shown: Float[np.ndarray, "n k 2"],
    wanted: range,
) -> Generator[Picture]:
    """Yield the pictures with the keypoints of the wanted frames drawn into them."""
    with contextlib.closing(pictures):
        for picture, number in zip(pictures, wanted, strict=False):
            painter.draw(picture.pixels, shown[number], label=str(number))
            yield picture


def _wrong_number(info: VideoInfo, rows: int) -> VideoError:
    return VideoError(
        f"The predictions have {rows} rows, but {info.path} has another number of frames; were "
        "they made from this video?"
    )
