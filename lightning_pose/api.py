"""The package in a few calls, for notebooks and scripts: from a configuration to a model and back.

config = load_config(Path("my_mouse.yaml"))
data = get_dataset(config)
tracker = get_model(config, keypoint_names=data.keypoint_names)
loaders = data.train_loader(), data.val_loader()
result = fit(tracker, *loaders, settings=config.training, run_dir=Path("out"))
Model.load(result.best_checkpoint).predict_video("mouse.mp4").to_csv(Path("mouse.csv"))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lightning_pose import __version__
from lightning_pose.config.load import load_config, load_run_config
from lightning_pose.config.schema import Config
from lightning_pose.contracts.batches import DataSpec
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import TRACKERS, load_plugins
from lightning_pose.data.image_cache import OnProgress
from lightning_pose.data.labeled_data import LabeledData, build_labeled_data
from lightning_pose.inference.model import Model
from lightning_pose.inference.model_files import ModelFiles
from lightning_pose.inference.prediction_handler import PredictionHandler
from lightning_pose.losses.factory import LossFactory, build_losses
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import build_tracker, start_from
from lightning_pose.training.device import choose_device
from lightning_pose.training.fit import fit
from lightning_pose.training.optimization import optimizer_for

__all__ = [
    "Config",
    "Model",
    "PredictionHandler",
    "Predictions",
    "fit",
    "get_dataset",
    "get_loss_factories",
    "get_model",
    "get_model_class",
    "load_config",
    "load_plugins",
    "load_run_config",
]


def get_dataset(
    config: Config,
    *,
    spec: DataSpec | None = None,
    device: torch.device | str | None = None,
    on_progress: OnProgress | None = None,
) -> LabeledData:
    """Return the labelled data set of a configuration, checked, split and decoded.

    Args:
        config: its sections ``data`` and ``training`` are read.
        spec: what the tracker needs; None = what the configured one does.
        device: where batches are wanted; None = where the configuration trains.
        on_progress: called with (images decoded, images in all).

    Raises:
        DataError: the labels or images cannot be used; every reason found is in the message.
    """
    if spec is None:
        spec = _new_tracker(config, ("any",), losses=None, pretrained=False).data_spec
    if device is None:
        device = choose_device(config.training).device
    return build_labeled_data(
        config.data, config.training, spec, device=device, on_progress=on_progress
    )


def get_loss_factories(config: Config) -> dict[str, LossFactory]:
    """Return the weighted losses of a configuration: ``supervised``, those on labelled frames.

    Raises:
        ModelError: a loss needs what the tracker does not produce.
    """
    tracker = get_model_class(config.model.model_type)
    name = tracker.supervised_loss(heatmap_loss_type=config.model.heatmap_loss_type)
    losses = build_losses([name], config.losses)
    losses.check_inputs(tracker.loss_inputs, tracker=config.model.model_type)
    return {"supervised": losses}


def get_model(
    config: Config,
    *,
    keypoint_names: Sequence[str],
    losses: LossFactory | None = None,
    pretrained: bool | None = None,
) -> BaseSupervisedTracker:
    """Return the untrained tracker of a configuration, ready for :func:`fit`.

    Args:
        config: the configuration.
        keypoint_names: of a view, in column order.
        losses: on labelled frames; None = the configured ones.
        pretrained: start the backbone from the weights its name stands for; None = as configured.

    Raises:
        ModelError: the parts do not fit together, or weights cannot be had.
    """
    tracker = _new_tracker(config, keypoint_names, losses=losses, pretrained=pretrained)
    if config.model.checkpoint:
        start_from(tracker, ModelFiles.find(config.model.checkpoint).checkpoint)
    return tracker


def get_model_class(model_type: str) -> type[BaseSupervisedTracker]:
    """Return the class of a tracker by its registered name.

    Raises:
        ConfigError: there is none; the message names the nearest.
    """
    return TRACKERS.get(model_type)


def _new_tracker(
    config: Config,
    keypoint_names: Sequence[str],
    *,
    losses: LossFactory | None,
    pretrained: bool | None,
) -> BaseSupervisedTracker:
    model, data = config.model, config.data
    checkpoint = Path(model.backbone_checkpoint) if model.backbone_checkpoint else None
    torch.manual_seed(config.training.rng_seed_model_pt)
    return build_tracker(
        ModelSpec(
            model_type=model.model_type,
            backbone=model.backbone,
            keypoint_names=tuple(keypoint_names),
            image_height=data.image_resize_dims.height,
            image_width=data.image_resize_dims.width,
            downsample_factor=data.downsample_factor,
            params=_tracker_params(config),
            view_names=tuple(data.view_names),
            version=__version__,
        ),
        pretrained=model.backbone_pretrained if pretrained is None else pretrained,
        backbone_checkpoint=checkpoint,
        losses=losses or get_loss_factories(config)["supervised"],
        optimizer=optimizer_for(config.training),
    )


def _tracker_params(config: Config) -> dict[str, Any]:
    """Return the tracker's own settings, and those of ``training`` that it has a field for."""
    shared = {
        "uniform_heatmaps_for_nan_keypoints": config.training.uniform_heatmaps_for_nan_keypoints
    }
    fields = getattr(TRACKERS.entry(config.model.model_type).params, "__dataclass_fields__", {})
    return config.model.params | {k: v for k, v in shared.items() if k in fields}
