"""Names of the toy animal's keypoints, and how the two views pair them."""

from __future__ import annotations

BODY_PARTS = (
    "nose",
    "front_paw_right",
    "front_paw_left",
    "hind_paw_right",
    "hind_paw_left",
    "tail_base",
    "tail_tip",
)
VIEWS = ("side", "below")
KEYPOINT_NAMES = tuple(f"{part}_{view}" for view in VIEWS for part in BODY_PARTS)

IMAGE_WIDTH = 256
SIDE_HEIGHT = 96
BELOW_HEIGHT = 112
IMAGE_HEIGHT = SIDE_HEIGHT + BELOW_HEIGHT

_NUM_PARTS = len(BODY_PARTS)
MIRRORED_COLUMN_MATCHES = (
    tuple(range(_NUM_PARTS)),
    tuple(range(_NUM_PARTS, 2 * _NUM_PARTS)),
)
COLUMNS_FOR_SINGLEVIEW_PCA = tuple(range(2 * _NUM_PARTS))
