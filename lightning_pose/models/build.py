"""Trackers from recipes and checkpoints, and checkpoints from trackers."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.loss_inputs import LossSum
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.contracts.registry import TRACKERS, Entry
from lightning_pose.models.backbones import build_backbone
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.parts import Optimizer, TrackerParts
from lightning_pose.models.twins import semi_supervised
from lightning_pose.models.weight_files import check_fit, read_weight_file, save_tensors

NOT_OF_THE_NETWORK = (
    "losses.",
    "unsupervised_losses.",
)  # what training keeps in a state_dict beside the network


def build_tracker(
    spec: ModelSpec,
    *,
    pretrained: bool = False,
    backbone_checkpoint: Path | None = None,
    losses: LossSum | None = None,
    optimizer: Optimizer | None = None,
    unsupervised_losses: LossSum | None = None,
) -> BaseSupervisedTracker:
    """Return a new tracker.

    Args:
        spec: the recipe.
        pretrained: start the backbone from the weights its name stands for (may download).
        backbone_checkpoint: start it from this file instead.
        losses: the weighted losses, to train; None for prediction only.
        optimizer: makes what ``configure_optimizers`` returns, given the tracker.
        unsupervised_losses: the weighted losses on unlabelled video; the tracker is then the
            semi-supervised twin of its kind.

    Raises:
        ConfigError: no tracker or backbone has that name.
        ModelError: the parts do not fit together, or weights cannot be had.
    """
    entry = TRACKERS.entry(spec.model_type)
    params = _params(entry, spec)
    backbone = build_backbone(spec.backbone, pretrained=pretrained, checkpoint=backbone_checkpoint)
    _check_image_size(spec, backbone)
    parts = TrackerParts(
        spec=spec,
        params=params,
        backbone=backbone,
        losses=losses,
        optimizer=optimizer,
        unsupervised_losses=unsupervised_losses,
    )
    kind = entry.value
    return (kind if unsupervised_losses is None else semi_supervised(kind))(parts)


def network_weights(tracker: BaseSupervisedTracker) -> dict[str, Tensor]:
    """Return the network's weights; those of losses are not among them."""
    return _of_the_network(tracker.state_dict())


def loss_state(tracker: BaseSupervisedTracker) -> dict[str, Tensor]:
    """Return what the losses learnt from labels, subspaces of poses for instance."""
    state = tracker.state_dict()
    return {key: value for key, value in state.items() if key.startswith(NOT_OF_THE_NETWORK)}


def loss_names(tracker: BaseSupervisedTracker) -> list[str]:
    """Return the names of the losses that the tracker is trained with, on labels and on video."""
    sums = (tracker.losses, tracker.unsupervised_losses)
    return [name for losses in sums for name in getattr(losses, "names", ())]


def save_weights(
    tracker: BaseSupervisedTracker, path: Path, *, extra: Mapping[str, Any] | None = None
) -> Path:
    """Write weights and recipe, all that prediction needs; return ``path``.

    Args:
        tracker: the tracker.
        path: a ``.ckpt`` file; it appears whole or not at all.
        extra: further entries, of tensors and plain values only.

    Raises:
        WriteError: it cannot be written.
    """
    state = {
        key: value.detach().cpu().contiguous() for key, value in network_weights(tracker).items()
    }
    content = {"state_dict": state, "litpose": tracker.spec.to_json(), **(extra or {})}
    return save_tensors(path, content)


def load_tracker(
    checkpoint: Path, *, map_location: str | torch.device = "cpu"
) -> BaseSupervisedTracker:
    """Return the trained tracker in a checkpoint, in evaluation mode; nothing is downloaded.

    Raises:
        ModelError: the file is missing, cut short, of another program, or does not fit its recipe.
    """
    spec, weights = _open(checkpoint, map_location)
    tracker = build_tracker(spec)
    check_fit(
        weights,
        network_weights(tracker),
        source=str(checkpoint),
        net=f"the tracker {spec.model_type!r} with backbone {spec.backbone!r} that it names",
    )
    tracker.load_state_dict(weights, strict=True)
    return tracker.to(map_location).eval()


def start_from(tracker: BaseSupervisedTracker, checkpoint: Path) -> None:
    """Set the tracker's weights to those of a trained one of the same architecture.

    Image size and names of keypoints may differ; kind, backbone, number of keypoints and heatmap
    size may not.

    Raises:
        ModelError: the checkpoint cannot be read or is of another architecture; says in what.
    """
    spec, weights = _open(checkpoint, "cpu")
    ours = tracker.spec
    compared = {
        "model.model_type": (spec.model_type, ours.model_type),
        "model.backbone": (spec.backbone, ours.backbone),
        "the number of keypoints": (spec.num_keypoints, ours.num_keypoints),
        "data.downsample_factor": (spec.downsample_factor, ours.downsample_factor),
    }
    differences = [
        f"{what} is {a} there and {b} here" for what, (a, b) in compared.items() if a != b
    ]
    if differences:
        names = sorted(set(spec.keypoint_names) ^ set(ours.keypoint_names))
        hint = f" Only one of them has {', '.join(names[:5])}." if names else ""
        raise ModelError(
            f"Training cannot start from {checkpoint}: {'; '.join(differences)}.{hint} Choose a "
            "checkpoint of the same architecture, or give only its backbone as "
            "model.backbone_checkpoint."
        )
    net = f"the tracker {ours.model_type!r} with these settings"
    own = tracker.state_dict()
    check_fit(weights, _of_the_network(own), source=str(checkpoint), net=net)
    tracker.load_state_dict(own | weights, strict=True)


def _open(
    checkpoint: Path, map_location: str | torch.device
) -> tuple[ModelSpec, dict[str, Tensor]]:
    content = read_weight_file(checkpoint, map_location=map_location)
    absent = [key for key in ("litpose", "state_dict") if key not in content]
    if absent:
        raise ModelError(
            f"{checkpoint} is not a checkpoint of this program: it has no entry "
            f"{' and no entry '.join(map(repr, absent))}. Give a best.ckpt or last.ckpt of one of "
            "its run directories."
        )
    return ModelSpec.from_json(content["litpose"]), _of_the_network(content["state_dict"])


def _of_the_network(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if not key.startswith(NOT_OF_THE_NETWORK)}


@dataclasses.dataclass(frozen=True)
class NoParams:
    """The settings of a tracker that was registered without any."""


def _params(entry: Entry[Any], spec: ModelSpec) -> Any:
    """Return the tracker's settings as an object of its parameter dataclass."""
    params = entry.params or NoParams
    known = [item.name for item in dataclasses.fields(params)]
    for name in spec.params:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ModelError(
                f"The tracker {entry.name!r} has no setting {name!r}; it has "
                f"{', '.join(known) or 'none'}.{f' Did you mean {near[0]!r}?' if near else ''}"
            )
    return params(**spec.params)


def _check_image_size(spec: ModelSpec, backbone: nn.Module) -> None:
    stride: int = backbone.stride  # pyright: ignore
    for name, size in (("height", spec.image_height), ("width", spec.image_width)):
        if size < stride or size % stride:
            below, above = max(stride, size // stride * stride), (size // stride + 1) * stride
            raise ModelError(
                f"data.image_resize_dims.{name} is {size}; the backbone {spec.backbone!r} needs a "
                f"multiple of {stride}, {below} or {above} for instance."
            )
