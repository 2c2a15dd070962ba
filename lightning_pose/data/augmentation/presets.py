"""The presets: chains of transforms under a name, for ``training.imgaug``.

Ranges are those DeepLabCut made customary for animals, and their names in the package imgaug.
Pixel sizes count pixels of the network's input.
"""

from __future__ import annotations

from typing import Any

from lightning_pose.contracts.registry import AUGMENTATIONS

Recipe = dict[str, dict[str, Any]]
"""``{transform: {p, args}}``: how likely each sample gets it, and its settings."""


@AUGMENTATIONS.register("default")
def default() -> Recipe:
    """No augmentation: pictures are only resized."""
    return {}


@AUGMENTATIONS.register("none")
def none() -> Recipe:
    """No augmentation: pictures are only resized."""
    return {}


@AUGMENTATIONS.register("dlc")
def dlc() -> Recipe:
    """Moderate turns, zooms, blur, patches and grey-level changes, for most recordings."""
    return {
        "Rotate": {"p": 0.4, "args": {"rotate": [-25, 25]}},
        "CropAndPad": {"p": 0.4, "args": {"percent": [-0.15, 0.15]}},
        "ElasticTransformation": {"p": 0.5, "args": {"alpha": [0, 10], "sigma": 5}},
        **dlc_mv(),
    }


@AUGMENTATIONS.register("dlc-top-down")
def dlc_top_down() -> Recipe:
    """As dlc, and turned by any quarter: for animals seen from above or below."""
    return {"Rot90": {"p": 1.0, "args": {"k": [0, 1, 2, 3]}}, **dlc()}


@AUGMENTATIONS.register("dlc-lr")
def dlc_lr() -> Recipe:
    """As dlc, and upside down half of the time: for animals that walk both ways."""
    return {"Rot90": {"p": 1.0, "args": {"k": [0, 2]}}, **dlc()}


@AUGMENTATIONS.register("dlc-mv")
def dlc_mv() -> Recipe:
    """The part of dlc that leaves everything in its place: for views that must agree in 3-D."""
    return {
        "MotionBlur": {"p": 0.5, "args": {"k": 5, "angle": [-90, 90]}},
        "CoarseDropout": {
            "p": 0.5,
            "args": {"p": 0.02, "size_percent": 0.3, "per_channel": 0.5},
        },
        "CoarseSalt": {"p": 0.5, "args": {"p": 0.01, "size_percent": [0.05, 0.1]}},
        "CoarsePepper": {"p": 0.5, "args": {"p": 0.01, "size_percent": [0.05, 0.1]}},
        "AllChannelsHistogramEqualization": {"p": 0.1},
        "AllChannelsCLAHE": {"p": 0.1},
        "Emboss": {"p": 0.1, "args": {"alpha": [0, 0.5], "strength": [0.5, 1.5]}},
    }
