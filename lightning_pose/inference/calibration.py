"""A confidence that means something: the probability of lying within a distance of the truth.

The map lies beside the checkpoint it was fitted for, as ``<checkpoint>.calibration.json``.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.files import write_text

SUFFIX = ".calibration.json"


@dataclass(frozen=True, kw_only=True)
class ConfidenceCalibration:
    """A rising map from a model's own confidence to a probability.

    Attributes:
        within_px: the distance; the probability is that of lying within it.
        confidence: corners of the map, rising.
        probability: at each corner; between corners the map is a line, beyond them it is level.
        points: labelled keypoints it was fitted on.
        frames: they are of.
        labels: files of these labels.
        checkpoint_sha256: hash of the weights it belongs to.
    """

    within_px: float
    confidence: tuple[float, ...]
    probability: tuple[float, ...]
    points: int
    frames: int
    labels: tuple[str, ...]
    checkpoint_sha256: str

    def __post_init__(self) -> None:
        rising = np.diff(self.confidence) >= 0, np.diff(self.probability) >= 0
        if len(self.confidence) != len(self.probability) or not self.confidence:
            raise ModelError("A calibration needs as many probabilities as confidences.")
        if not all(steps.all() for steps in rising):
            raise ModelError("The confidences and probabilities of a calibration should rise.")

    def apply(self, confidence: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Return the probability for each confidence; NaN stays NaN.

        Example:
            >>> half = ConfidenceCalibration(within_px=5.0, confidence=(0.0, 1.0),
            ...     probability=(0.0, 0.5), points=99, frames=9, labels=(), checkpoint_sha256="")
            >>> half.apply(np.array([[0.5, np.nan]])).tolist()
            [[0.25, nan]]
        """
        return np.interp(confidence, self.confidence, self.probability).astype(confidence.dtype)

    def identity(self) -> dict[str, Any]:
        """Return what predictions hang on, as plain values."""
        return {
            "within_px": self.within_px,
            "confidence": list(self.confidence),
            "probability": list(self.probability),
        }

    def write(self, checkpoint: Path) -> Path:
        """Write it beside a checkpoint; return the file."""
        text = json.dumps(dataclasses.asdict(self), indent=2)
        return write_text(calibration_file(checkpoint), text + "\n")

    @classmethod
    def read(cls, checkpoint: Path) -> ConfidenceCalibration | None:
        """Return the calibration beside a checkpoint; None if there is none.

        Raises:
            ModelError: it cannot be read.
        """
        path = calibration_file(checkpoint)
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            lists = {name: tuple(values[name]) for name in ("confidence", "probability", "labels")}
            return cls(**(values | lists))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"{path} is no calibration ({error}). {_way_out(path)}") from error


def calibration_file(checkpoint: Path) -> Path:
    """Return where the calibration of a checkpoint lies."""
    return checkpoint.with_suffix(SUFFIX)


def check_belongs(found: ConfidenceCalibration, checkpoint: Path, sha256: str) -> None:
    """Raise ModelError if a calibration was fitted for other weights.

    Args:
        found: beside the checkpoint.
        checkpoint: the weights' file.
        sha256: of it.
    """
    if found.checkpoint_sha256 != sha256:
        path = calibration_file(checkpoint)
        raise ModelError(
            f"{path} was fitted for other weights than {checkpoint}. {_way_out(path)}"
        )


def _way_out(path: Path) -> str:
    return (
        f"Fit it again (litpose calibrate), delete {path.name}, or predict with --raw-confidence."
    )
