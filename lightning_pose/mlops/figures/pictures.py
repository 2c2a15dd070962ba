"""Frames as pictures, with labels and the predictions of each model drawn in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from lightning_pose.contracts.errors import LitposeError, VideoError
from lightning_pose.data.image_files import decode_image
from lightning_pose.mlops.figures.frames import Frame, Pose
from lightning_pose.mlops.figures.style import color_of
from lightning_pose.mlops.skeleton import Edges

WIDTH_PX, QUALITY = 380, 78
LABEL_COLOR = (255, 225, 50)
_SHIFT = 4  # OpenCV draws at 1/16 pixel
_FAR_PX = 5_000

Picture = UInt8[np.ndarray, "_ _ 3"]


def read_frame(frame: Frame) -> Picture:
    """Return the pixels of a frame.

    Raises:
        LitposeError: the image or video is not where it was, or cannot be read.
    """
    if frame.number is None:
        return decode_image(frame.file)
    if not frame.file.is_file():
        raise VideoError(f"The video was at {frame.file}, where it is no longer.")
    from lightning_pose.video.random_access import SequenceReader

    reader = SequenceReader(frame.file)
    try:
        return reader.read(frame.number, 1)[0]
    finally:
        reader.close()


def drawn(
    pixels: Picture,
    frame: Frame,
    *,
    models: Sequence[str],
    edges: Edges = (),
    width_px: int = WIDTH_PX,
) -> Picture:
    """Return a frame at a width, labels as yellow rings, each model's keypoints as crosses.

    Points that are not known are not drawn, nor is an edge to them.

    Args:
        pixels: of the frame.
        frame: what was seen there.
        models: all of them, in the order of their colours; those without predictions are skipped.
        edges: pairs of keypoints to join, those of each model.
        width_px: of the picture.
    """
    factor = width_px / pixels.shape[1]
    size = (width_px, max(1, round(pixels.shape[0] * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    canvas = cv2.resize(pixels, size, interpolation=how)
    arm, thick = max(3.0, width_px / 100), max(1, round(width_px / 400))
    for x, y in _placed(frame.label, factor).values():
        cv2.circle(
            canvas,
            _fixed(x, y),
            round(1.5 * arm * 2**_SHIFT),
            LABEL_COLOR,
            thick,
            cv2.LINE_AA,
            _SHIFT,
        )
    for number, model in enumerate(models):
        color = _rgb(color_of(number))
        points = _placed(frame.predictions.get(model, {}), factor)
        for one, other in edges:
            if one in points and other in points:
                start, stop = _fixed(*points[one]), _fixed(*points[other])
                cv2.line(canvas, start, stop, color, thick, cv2.LINE_AA, _SHIFT)
        for x, y in points.values():
            for dx, dy in ((arm, arm), (arm, -arm)):
                cv2.line(
                    canvas,
                    _fixed(x - dx, y - dy),
                    _fixed(x + dx, y + dy),
                    color,
                    thick,
                    cv2.LINE_AA,
                    _SHIFT,
                )
    return canvas


def jpeg(pixels: Picture) -> bytes:
    """Return a picture as JPEG."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    return cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), settings)[1].tobytes()


def pictures(
    frames: Sequence[Frame], *, models: Sequence[str], edges: Edges = ()
) -> tuple[Mapping[str, bytes], list[str]]:
    """Return each frame as JPEG by its name; and a sentence for each that cannot be read."""
    shown, missing = {}, []
    for frame in frames:
        try:
            pixels = read_frame(frame)
        except LitposeError as error:
            missing.append(str(error))
            continue
        shown[frame.name] = jpeg(drawn(pixels, frame, models=models, edges=edges))
    return shown, list(dict.fromkeys(missing))


def _placed(pose: Pose, factor: float) -> dict[str, tuple[float, float]]:
    """Return the known points on the canvas: pixel centres are integers there too."""
    return {
        name: (float((xy[0] + 0.5) * factor - 0.5), float((xy[1] + 0.5) * factor - 0.5))
        for name, xy in pose.items()
        if np.isfinite(xy).all() and (np.abs(xy) < _FAR_PX).all()
    }


def _fixed(x: float, y: float) -> tuple[int, int]:
    return round(x * 2**_SHIFT), round(y * 2**_SHIFT)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
