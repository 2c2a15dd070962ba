"""What the fields of a review data set are called."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.mlops.review.measures import Measures
from lightning_pose.mlops.review.table import PIXEL_ERROR

GROUND_TRUTH, GROUP = "ground_truth", "group"
TEXTS = (
    "image",
    "session",
    "view",
    "split",
    "distribution",
    "video",
    "chosen_for",
    "label_file",
    "winner",
    "worst_keypoint",
)
NUMBERS = ("difference", "disagreement", "confident_error", "suspect_error")
POINT_NUMBERS = (PIXEL_ERROR, "spread")  # of each point of a model, beside its confidence
TAKEN = {
    *TEXTS,
    *NUMBERS,
    GROUND_TRUTH,
    GROUP,
    "id",
    "filepath",
    "tags",
    "metadata",
    "frame",
    "frames",
    "labelled",
    "sample_id",
    "media_type",
    "created_at",
    "last_modified_at",
    "support",
}


def model_fields(models: Sequence[str]) -> tuple[str, ...]:
    """Return the field of each model: its name as an identifier.

    Raises:
        ConfigError: two models would share one.

    Example:
        >>> model_fields(["runs/A", "2026-11-21/resnet 18"])
        ('runs_A', 'm_2026_11_21_resnet_18')
    """
    fields = []
    for model in models:
        plain = re.sub(r"\W+", "_", model, flags=re.ASCII).strip("_")
        usable = plain and plain not in TAKEN and not plain[0].isdigit()
        fields.append(plain if usable else f"m_{plain}")
    twice = [m for m, f in zip(models, fields, strict=True) if fields.count(f) > 1]
    if twice:
        raise ConfigError(
            f"The models {', '.join(twice)} need names that tell them apart: name each with "
            "--names, in their order."
        )
    return tuple(fields)


def number_fields(field: str, measures: Measures) -> dict[str, str]:
    """Return the fields of a model's numbers of a picture: field -> name of the measure."""
    return {f"{field}_{name}": name for name in measures.mean}


def max_error_field(field: str) -> str:
    """Return the field of a model's largest error in a picture."""
    return f"{field}_{PIXEL_ERROR}_max"
