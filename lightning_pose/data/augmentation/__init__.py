"""Random changes of labelled frames, with points and affine maps moving along.

A *transform* is one random change and owns its settings: a frozen dataclass registered in
:data:`~lightning_pose.data.augmentation.transform.TRANSFORMS`. A *preset* is a named mapping
``{transform: {p, args}}`` registered in ``AUGMENTATIONS``. :func:`build_augmenter` turns either
into an :class:`Augmenter`.
"""

from lightning_pose.data.augmentation.augmenter import Augmenter
from lightning_pose.data.augmentation.build import build_augmenter
from lightning_pose.data.augmentation.sheet import draw_augmentation_sheet
from lightning_pose.data.augmentation.sides import find_hflip_pairs

__all__ = ["Augmenter", "build_augmenter", "draw_augmentation_sheet", "find_hflip_pairs"]
