"""A contact sheet of one labelled frame under many draws, to see what a preset does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from lightning_pose.data.augmentation.build import build_augmenter

DOT_RADIUS_PX = 2.5
GAP_PX = 4


def draw_augmentation_sheet(
    image: UInt8[np.ndarray, "height width 3"],
    keypoints: Float[np.ndarray, "k 2"],
    preset: str | Mapping[str, Any],
    out_png: Path,
    *,
    columns: int = 6,
    rows: int = 4,
    seed: int = 0,
) -> Path:
    """Write a picture of ``image`` and its keypoints augmented many times; return its path.

    The first cell is the frame as it is; each keypoint has the same colour in all cells.

    Args:
        image: RGB, as large as the cells shall be.
        keypoints: (x, y) in pixels of ``image``; NaN is not drawn.
        preset: anything ``training.imgaug`` may be.
        out_png: where to write.
        columns: cells in a row.
        rows: rows of cells.
        seed: settles the draws.
    """
    count = columns * rows
    frame = torch.tensor(image).permute(2, 0, 1)
    images = frame.expand(count, 1, 1, -1, -1, -1)
    points = torch.tensor(keypoints, dtype=torch.float32).expand(count, 1, -1, -1)
    to_image = torch.eye(2, 3).expand(count, 1, -1, -1)
    changed, moved, _ = build_augmenter(preset)(images, points, to_image, seed=seed)
    changed[0], moved[0] = torch.div(images[0], 255.0), points[0]

    height, width = image.shape[:2]
    sheet = Image.new(
        "RGB", (columns * (width + GAP_PX) - GAP_PX, rows * (height + GAP_PX) - GAP_PX), "white"
    )
    for cell in range(count):
        corner = (cell % columns * (width + GAP_PX), cell // columns * (height + GAP_PX))
        sheet.paste(_with_dots(changed[cell, 0, 0], moved[cell, 0]), corner)
    sheet.save(out_png)
    return out_png


def _with_dots(image: Float[Tensor, "3 h w"], points: Float[Tensor, "k 2"]) -> Image.Image:
    """Return ``image`` (0..1) with a dot at each point that is not NaN."""
    pixels = (image.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).permute(1, 2, 0)
    picture = Image.fromarray(pixels.contiguous().numpy())
    pen = ImageDraw.Draw(picture)
    for number, (x, y) in enumerate(points.tolist()):
        if np.isfinite([x, y]).all():
            hue = round(360 * number / len(points))
            box = [x - DOT_RADIUS_PX, y - DOT_RADIUS_PX, x + DOT_RADIUS_PX, y + DOT_RADIUS_PX]
            pen.ellipse(box, fill=f"hsl({hue}, 100%, 55%)")
    return picture
