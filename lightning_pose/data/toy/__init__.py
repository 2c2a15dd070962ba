"""The toy data set: a drawn mouse walking on a wheel, seen from the side and from below.

It comes from a three-dimensional model, so the keypoints of every frame are known exactly, hidden
ones included. docs/toy_data.md shows it.
"""

from lightning_pose.data.toy.cache import TOY_VERSION, toy_dataset_dir
from lightning_pose.data.toy.dataset import (
    Labeller,
    make_toy_dataset,
    make_toy_video,
    read_truth,
    truth_path,
)
from lightning_pose.data.toy.skeleton import (
    BODY_PARTS,
    COLUMNS_FOR_SINGLEVIEW_PCA,
    IMAGE_HEIGHT,
    IMAGE_WIDTH,
    KEYPOINT_NAMES,
    MIRRORED_COLUMN_MATCHES,
)

__all__ = [
    "BODY_PARTS",
    "COLUMNS_FOR_SINGLEVIEW_PCA",
    "IMAGE_HEIGHT",
    "IMAGE_WIDTH",
    "KEYPOINT_NAMES",
    "MIRRORED_COLUMN_MATCHES",
    "TOY_VERSION",
    "Labeller",
    "make_toy_dataset",
    "make_toy_video",
    "read_truth",
    "toy_dataset_dir",
    "truth_path",
]
