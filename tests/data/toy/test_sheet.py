"""What the documentation and the configuration say of the toy data set is so."""

from __future__ import annotations

from pathlib import Path

import cv2
import yaml

from lightning_pose.data.toy import (
    COLUMNS_FOR_SINGLEVIEW_PCA,
    IMAGE_HEIGHT,
    IMAGE_WIDTH,
    KEYPOINT_NAMES,
    MIRRORED_COLUMN_MATCHES,
)
from lightning_pose.data.toy.sheet import draw_sheet

CHECKOUT = Path(__file__).resolve().parents[3]


def test_the_configuration_names_the_keypoints_that_are_drawn() -> None:
    text = (CHECKOUT / "conf" / "data" / "toy.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)["data"]
    assert data["generator"] == "toy"
    assert data["num_keypoints"] == len(KEYPOINT_NAMES)
    assert tuple(data["keypoint_names"]) == KEYPOINT_NAMES
    assert tuple(map(tuple, data["mirrored_column_matches"])) == MIRRORED_COLUMN_MATCHES
    assert tuple(data["columns_for_singleview_pca"]) == COLUMNS_FOR_SINGLEVIEW_PCA


def test_mirrored_columns_are_the_same_body_parts() -> None:
    side, below = ([KEYPOINT_NAMES[i] for i in match] for match in MIRRORED_COLUMN_MATCHES)
    assert [n.removesuffix("_side") for n in side] == [n.removesuffix("_below") for n in below]


def test_the_sheet_shows_nine_frames_and_is_small(tmp_path: Path) -> None:
    path = draw_sheet(tmp_path / "sheet.png")
    assert cv2.imread(str(path)).shape == (3 * IMAGE_HEIGHT, 3 * IMAGE_WIDTH, 3)
    assert path.stat().st_size < 200_000
