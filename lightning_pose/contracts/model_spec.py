"""What it takes to build a network again: stored as JSON in every checkpoint."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from lightning_pose.contracts.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The recipe of a tracker: names in the registries, sizes, and plain-valued parameters.

    Attributes:
        model_type: name in the tracker registry.
        backbone: name in the backbone registry.
        keypoint_names: in output order, per view.
        image_height, image_width: network input in pixels.
        downsample_factor: heatmap size = input / 2^factor.
        params: settings of the tracker's own parameter dataclass, plain values.
        view_names: empty for one camera.
        version: version of this package that made the model.
    """

    model_type: str
    backbone: str
    keypoint_names: tuple[str, ...]
    image_height: int
    image_width: int
    downsample_factor: int = 2
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    view_names: tuple[str, ...] = ()
    version: str = ""

    @property
    def num_keypoints(self) -> int:
        """Return the number of keypoints per view."""
        return len(self.keypoint_names)

    def to_json(self) -> str:
        """Return the spec as a JSON object."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Return the spec written by :meth:`to_json`.

        Raises:
            ModelError: the text is not such an object.
        """
        try:
            values = json.loads(text)
            values["keypoint_names"] = tuple(values["keypoint_names"])
            values["view_names"] = tuple(values.get("view_names", ()))
            return cls(**values)
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"The model description in the checkpoint is not readable: {error}"
            ) from error
