"""Checkpoint files: written whole or not at all, holding tensors and plain values only.

``best.ckpt`` and the extra ones hold the network's weights and the model's recipe under the key
``litpose``, all that prediction needs, and under ``losses`` what losses learnt from labels.
``last.ckpt`` holds the whole state of the training too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from torch import Tensor

from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import network_weights
from lightning_pose.models.weight_files import save_tensors

BEST, LAST = "best.ckpt", "last.ckpt"
LOSS_NAMES = "loss_names"


class PlainCheckpointIO(CheckpointIO):
    """Lets Lightning write checkpoints atomically, and read tensors and plain values only."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write the checkpoint under a temporary name, then rename it.

        Raises:
            WriteError: it cannot be written; what ``path`` held before is still there.
        """
        save_tensors(Path(path), checkpoint)

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Callable[..., Any] | str | None = "cpu",
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        """Return the checkpoint; code in it is never run, whatever ``weights_only`` says."""
        return torch.load(path, map_location=map_location, weights_only=True)

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Delete the checkpoint."""
        Path(path).unlink(missing_ok=True)


def copied_weights(tracker: BaseSupervisedTracker) -> dict[str, Tensor]:
    """Return a copy of the network's weights, where they are; nothing waits for the device."""
    return {name: value.detach().clone() for name, value in network_weights(tracker).items()}


def write_weights(
    path: Path,
    weights: Mapping[str, Tensor],
    spec: ModelSpec,
    *,
    losses: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write weights and recipe as ``models.load_tracker`` reads them; return ``path``.

    Args:
        path: a ``.ckpt`` file.
        weights: of the network.
        spec: the recipe.
        losses: what losses learnt from labels; not needed to predict.

    Raises:
        WriteError: they cannot be written.
    """
    content: dict[str, Any] = {"state_dict": _on_host(weights), "litpose": spec.to_json()}
    if losses:
        content["losses"] = _on_host(losses)
    return save_tensors(path, content)


def _on_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
