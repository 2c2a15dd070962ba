"""The contact sheet of a preset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from lightning_pose.data.augmentation import draw_augmentation_sheet


def test_sheet_begins_with_the_frame_as_it_is_and_marks_keypoints(tmp_path: Path) -> None:
    image = np.full((60, 80, 3), 90, dtype=np.uint8)
    keypoints = np.array([[20.0, 30.0], [np.nan, np.nan]])
    path = draw_augmentation_sheet(
        image, keypoints, "dlc", tmp_path / "sheet.png", columns=3, rows=2
    )
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (2 * 64 - 4, 3 * 84 - 4, 3)
    assert tuple(sheet[30, 20]) != (90, 90, 90)
    sheet = sheet.copy()
    sheet[27:34, 17:24] = 90
    assert (sheet[:60, :80] == 90).all()
    assert not (sheet[64:, :80] == 90).all()
