"""Does one model, or one configuration, err less than another on the same labelled frames?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from lightning_pose.metrics.dependence import holm
from lightning_pose.metrics.differences import (
    PairedDifference,
    configuration_difference,
    paired_difference,
)

FEW_SESSIONS = 5

Runs = Sequence[Float[np.ndarray, "n k"]]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two sides on the same frames: over all keypoints, each by itself, and each set of frames.

    Attributes:
        overall: a frame's error is the mean over its labelled keypoints.
        by_keypoint: those labelled in two frames or more. Of many such intervals one in twenty
            misses the truth by chance.
        by_part: each set of frames by itself; empty if there is one.
        adjusted_p: p-value of each keypoint that holds for all of them at once (Holm).
    """

    overall: PairedDifference
    by_keypoint: Mapping[str, PairedDifference]
    by_part: Mapping[str, PairedDifference] = field(default_factory=dict[str, PairedDifference])
    adjusted_p: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def claim(self) -> str:
        """Return what is compared: trained models, or configurations."""
        return "configurations" if self.overall.of_configurations else "trained models"

    def verdict(self, first: str, second: str) -> str:
        """Return one sentence that claims no more than the interval of all keypoints does."""
        found = self.overall
        bounds = f"is {found.low_px:+.2f} to {found.high_px:+.2f} px"
        interval = (
            f"the 95 % interval {bounds if found.bounded else 'has no bounds'} ({found.pieces()})"
        )
        if not found.shown:
            sides = f"the {self.claim} {first} and {second}"
            return f"No difference between {sides} is shown: {interval}."
        better, other = (first, second) if found.low_px > 0 else (second, first)
        side = "configuration" if found.of_configurations else "trained model"
        size = f"by {abs(found.difference_px):.2f} px"
        return f"The {side} {better} errs less than the {side} {other}, {size}: {interval}."

    def remarks(self) -> list[str]:
        """Return what a reader of the intervals should know, one sentence each."""
        found, remarks = self.overall, list[str]()
        if found.block:
            remarks.append(
                f"All {found.frames} frames are of one session: blocks of neighbouring frames "
                "stand in for sessions, so the interval speaks for that session alone, and is too "
                "narrow if frames far apart are alike. Label frames of other sessions."
            )
        elif found.sessions < FEW_SESSIONS:
            remarks.append(
                f"There are {found.sessions} sessions, so the interval is wide (t with "
                f"{found.degrees:.1f} degrees of freedom). Label frames of more sessions."
            )
        if not found.bounded:
            remarks.append(
                f"The difference is {found.difference_px:+.2f} px in each of these pieces, and "
                "fewer than three do not tell how much it varies. So nothing is claimed."
            )
        if not found.of_configurations:
            remarks.append(
                "This is about these two trained models. Whether one configuration is better "
                "takes three seeds a side: litpose compare --a RUN RUN RUN --b RUN RUN RUN"
            )
        alone = [name for name, one in self.by_keypoint.items() if one.shown]
        if alone:
            lasting = [name for name in alone if self.adjusted_p[name] < 0.05]
            remarks.append(
                f"Of {len(self.by_keypoint)} intervals of keypoints, one in twenty misses the "
                f"truth by chance. Keypoints whose interval leaves out 0: {len(alone)}; those "
                f"that stay when this is allowed for (Holm): {len(lasting)}."
            )
        return remarks

    def as_plain(self) -> dict[str, Any]:
        """Return the numbers as plain values."""
        return {
            "claim": self.claim,
            "overall": dataclasses.asdict(self.overall),
            "by_part": {name: dataclasses.asdict(one) for name, one in self.by_part.items()},
            "by_keypoint": {
                name: {**dataclasses.asdict(one), "adjusted_p": self.adjusted_p[name]}
                for name, one in self.by_keypoint.items()
            },
        }


def compare_errors(
    first_px: Runs,
    second_px: Runs,
    *,
    images: Sequence[str],
    keypoint_names: Sequence[str],
    parts: Sequence[str] = (),
) -> Comparison:
    """Return how the errors of two sides differ: over all, by keypoint and by set of frames.

    Args:
        first_px: errors of the first side, of one model or of three runs or more; NaN = not
            labelled.
        second_px: of the second, NaN at the same places.
        images: path of each row.
        keypoint_names: of the columns.
        parts: name of the set that each row belongs to; empty = they are one set.

    Raises:
        DataError: as for :func:`~lightning_pose.metrics.differences.paired_difference` and
            :func:`~lightning_pose.metrics.differences.configuration_difference`.
    """
    labelled: Bool[np.ndarray, "n k"] = np.isfinite(first_px[0])
    by_keypoint = {
        name: side_difference(
            [errors[:, [column]] for errors in first_px],
            [errors[:, [column]] for errors in second_px],
            images,
        )
        for column, name in enumerate(keypoint_names)
        if labelled[:, column].sum() > 1
    }
    adjusted = holm([one.p_value for one in by_keypoint.values()])
    return Comparison(
        overall=side_difference(first_px, second_px, images),
        by_keypoint=by_keypoint,
        by_part=_by_part(first_px, second_px, images, parts),
        adjusted_p=dict(zip(by_keypoint, adjusted, strict=True)),
    )


def side_difference(first_px: Runs, second_px: Runs, images: Sequence[str]) -> PairedDifference:
    """Return the difference of two trained models, or of configurations if there are more runs."""
    if len(first_px) == len(second_px) == 1:
        return paired_difference(first_px[0], second_px[0], images)
    return configuration_difference(first_px, second_px, images)


def _by_part(
    first_px: Runs, second_px: Runs, images: Sequence[str], parts: Sequence[str]
) -> dict[str, PairedDifference]:
    """Return the difference of each set of frames; of those with fewer than two labelled none."""
    names = list(dict.fromkeys(parts))
    found: dict[str, PairedDifference] = {}
    for name in names if len(names) > 1 else ():
        rows = np.array([part == name for part in parts])
        if np.isfinite(first_px[0][rows]).any(axis=1).sum() > 1:
            found[name] = side_difference(
                [errors[rows] for errors in first_px],
                [errors[rows] for errors in second_px],
                [image for image, kept in zip(images, rows, strict=True) if kept],
            )
    return found
