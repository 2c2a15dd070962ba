"""A contact sheet of the toy data set, for people who want to see it before they use it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from lightning_pose.contracts.files import write_atomically
from lightning_pose.data.toy.dataset import NEW_SESSION_NUMBER
from lightning_pose.data.toy.scene import Scene
from lightning_pose.data.toy.skeleton import BODY_PARTS

_ROWS = ((1, (12, 20, 28)), (2, (12, 48, 150)), (NEW_SESSION_NUMBER, (12, 48, 78)))
_BITS = 4


def draw_sheet(path: Path, *, seed: int = 0) -> Path:
    """Write a PNG of nine frames; return ``path``.

    First row: a training session as the camera sees it, eight frames apart. Second: another,
    with its true keypoints, a colour for each body part, a ring where the point is hidden. Third:
    the new session, marked likewise.
    """
    rows = []
    for session, frames in _ROWS:
        scene = Scene(seed=seed, session=session, new=session == NEW_SESSION_NUMBER)
        marked = session != _ROWS[0][0]
        rows.append(np.concatenate([_picture(scene, f, marked=marked) for f in frames], axis=1))
    _, encoded = cv2.imencode(
        ".png", np.concatenate(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, 1]
    )
    return write_atomically(path, lambda temporary: temporary.write_bytes(encoded.tobytes()))


def _picture(scene: Scene, frame: int, *, marked: bool) -> UInt8[np.ndarray, "h w 3"]:
    picture = cv2.cvtColor(scene.render(frame), cv2.COLOR_GRAY2BGR)
    if not marked:
        return picture
    truth = scene.truth(np.array([frame]))
    for keypoint, (point, visible) in enumerate(
        zip(truth.xy_img[0], truth.visible[0].tolist(), strict=True)
    ):
        if visible:
            place = np.rint(point * 2**_BITS).astype(int).tolist()
            line = cv2.FILLED if visible == 2 else 1
            radius = int((2.2 if visible == 2 else 3.2) * 2**_BITS)
            cv2.circle(picture, place, radius, _colour(keypoint), line, cv2.LINE_AA, _BITS)
    return picture


def _colour(keypoint: int) -> tuple[int, int, int]:
    part = keypoint % len(BODY_PARTS)
    hsv = np.array([[[round(180 * part / len(BODY_PARTS)), 220, 255]]], dtype=np.uint8)
    blue, green, red = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].tolist()
    return blue, green, red
