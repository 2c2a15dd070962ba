"""The package in a few calls, for notebooks and scripts: from a configuration to a model and back.

config = load_config(Path("my_mouse.yaml"))
data = get_dataset(config)
tracker = get_model(config, keypoint_names=data.keypoint_names)
fit_losses(tracker, data)
video = get_unlabeled_video(config, data)
loaders = data.train_loader(), data.val_loader()
result = fit(tracker, *loaders, settings=config.training, run_dir=Path("out"), unlabeled=video)
Model.load(result.best_checkpoint).predict_video("mouse.mp4").to_csv(Path("mouse.csv"))
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lightning_pose import __version__
from lightning_pose.config.load import load_config, load_run_config
from lightning_pose.config.schema import Config
from lightning_pose.contracts.batches import DataSpec
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import TRACKERS, load_plugins
from lightning_pose.data.image_cache import OnProgress
from lightning_pose.data.labeled_data import LabeledData, build_labeled_data
from lightning_pose.data.splits import TRAIN
from lightning_pose.data.unlabeled import UnlabeledLoader, find_box_files, find_sessions
from lightning_pose.inference.model import Model
from lightning_pose.inference.model_files import ModelFiles
from lightning_pose.inference.prediction_handler import PredictionHandler
from lightning_pose.losses.base import LossBasis
from lightning_pose.losses.factory import LossFactory, build_losses
from lightning_pose.mlops.registry import local_model
from lightning_pose.models.base import BaseSupervisedTracker, SemiSupervisedTrackerMixin
from lightning_pose.models.build import build_tracker, start_from
from lightning_pose.models.twins import semi_supervised
from lightning_pose.training.device import choose_device
from lightning_pose.training.fit import fit
from lightning_pose.training.length import batches_used, length_of
from lightning_pose.training.optimization import optimizer_for
from lightning_pose.training.unlabeled import UnlabeledVideo, steps_per_epoch

VALIDATION_SEQUENCES = 4

__all__ = [
    "Config",
    "Model",
    "PredictionHandler",
    "Predictions",
    "fit",
    "fit_losses",
    "get_dataset",
    "get_loss_factories",
    "get_model",
    "get_model_class",
    "get_unlabeled_video",
    "load_config",
    "load_plugins",
    "load_run_config",
    "local_model",
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
        spec = build_tracker(_model_spec(config, ("any",))).data_spec
    if device is None:
        device = choose_device(config.training).device
    return build_labeled_data(
        config.data, config.training, spec, device=device, on_progress=on_progress
    )


def get_loss_factories(config: Config) -> dict[str, LossFactory]:
    """Return the ``supervised`` losses, on labels, and the ``unsupervised`` ones, perhaps none.

    Raises:
        ConfigError: a loss lacks something in the configuration.
        ModelError: a loss needs what the tracker does not produce.
    """
    kind = config.model.model_type
    tracker = get_model_class(kind)
    name = tracker.supervised_loss(heatmap_loss_type=config.model.heatmap_loss_type)
    supervised = build_losses([name], config.losses)
    supervised.check_inputs(tracker.loss_inputs, tracker=kind)
    unsupervised = build_losses(
        config.model.losses_to_use, config.losses, basis=_loss_basis(config)
    )
    twin = semi_supervised(tracker)
    if issubclass(twin, SemiSupervisedTrackerMixin):
        unsupervised.check_inputs(twin.video_inputs, tracker=kind)
    return {"supervised": supervised, "unsupervised": unsupervised}


def fit_losses(tracker: BaseSupervisedTracker, data: LabeledData) -> None:
    """Let the tracker's losses learn from the labels of the training frames, where they are.

    Raises:
        DataError: there are too few labels for a loss, or images differ in size where a loss
            needs one size.
    """
    rows = data.split.rows(TRAIN)
    labels = np.concatenate([table.xy_img[rows] for table in data.tables], axis=1)
    for losses in (tracker.losses, tracker.unsupervised_losses):
        if isinstance(losses, LossFactory):
            _check_label_sizes(losses, data)
            losses.fit(torch.from_numpy(labels).float())


def get_unlabeled_video(
    config: Config, data: LabeledData, *, rank: int = 0, world_size: int = 1
) -> UnlabeledVideo | None:
    """Return the unlabelled video of a configuration, None if it has no losses for it.

    Args:
        config: names the losses, the folder of the videos and the length of sequences.
        data: the labelled frames that it is to accompany.
        rank: which of the processes that train together asks; each learns from other sequences.
        world_size: how many there are.

    Raises:
        DataError: there is no video, or one is too short or does not fit the others, or it lacks
            bounding boxes where labelled images have them.
        VideoError: a video cannot be read.
    """
    names = config.model.losses_to_use
    if not names:
        return None
    if config.data.video_dir is None:
        raise DataError(
            f"data.video_dir must be set: {', '.join(names)} in model.losses_to_use learn from "
            "unlabelled video."
        )
    spec, dali = data.cache.spec, config.dali
    alone, context = dali.base.train.sequence_length, dali.context.train.batch_size
    length = alone if spec.context == 1 else context
    sessions = find_sessions(config.data.video_dir, config.data.view_names)
    box_files = find_box_files(sessions, required_by=config.data.bbox_files)
    make = partial(
        UnlabeledLoader,
        sessions,
        spec=spec,
        sequence_length=length,
        device=data.cache.device,
        engine=dali.general.engine,
        processes_here=max(1, world_size // config.training.num_nodes),
        box_files=box_files,
    )
    steps, seed = steps_per_epoch(len(data.train_loader())), dali.general.seed
    train = make(steps_per_epoch=steps, seed=seed, rank=rank, world_size=world_size)
    _check_video_sizes(get_loss_factories(config)["unsupervised"], data, train)
    val = make(
        steps_per_epoch=VALIDATION_SEQUENCES,
        seed=seed + 1,
        augment=False,
        goes_on=False,
        videos=train.videos,
    )
    length = length_of(config.training, num_batches=batches_used(steps, config.training))
    annealing = config.callbacks.anneal_weight.in_epochs(length.epoch_of)
    return UnlabeledVideo(train=train, val=val, importance=annealing.weight_at)


def get_model(
    config: Config,
    *,
    keypoint_names: Sequence[str],
    losses: LossFactory | None = None,
    unsupervised_losses: LossFactory | None = None,
    pretrained: bool | None = None,
) -> BaseSupervisedTracker:
    """Return the untrained tracker of a configuration, ready for :func:`fit_losses`.

    Args:
        config: the configuration.
        keypoint_names: of a view, in column order.
        losses: on labelled frames; None = the configured ones.
        unsupervised_losses: on unlabelled video; None = the configured ones, of which may be none.
        pretrained: start the backbone from the weights its name stands for; None = as configured.

    Raises:
        ModelError: the parts do not fit together, or weights cannot be had.
    """
    found = get_loss_factories(config)
    on_video = unsupervised_losses or found["unsupervised"]
    model = config.model
    torch.manual_seed(config.training.rng_seed_model_pt)
    tracker = build_tracker(
        _model_spec(config, keypoint_names),
        pretrained=model.backbone_pretrained if pretrained is None else pretrained,
        backbone_checkpoint=Path(model.backbone_checkpoint) if model.backbone_checkpoint else None,
        losses=losses or found["supervised"],
        optimizer=optimizer_for(config.training),
        unsupervised_losses=on_video if on_video.names else None,
    )
    if config.model.checkpoint:
        start = local_model(config.model.checkpoint, tracking_uri=config.tracking.uri)
        start_from(tracker, ModelFiles.find(start).checkpoint)
    return tracker


def get_model_class(model_type: str) -> type[BaseSupervisedTracker]:
    """Return the class of a tracker by its registered name.

    Raises:
        ConfigError: there is none; the message names the nearest.
    """
    return TRACKERS.get(model_type)


def _model_spec(config: Config, keypoint_names: Sequence[str]) -> ModelSpec:
    """Return the recipe of the configured tracker."""
    model, data = config.model, config.data
    return ModelSpec(
        model_type=model.model_type,
        backbone=model.backbone,
        keypoint_names=tuple(keypoint_names),
        image_height=data.image_resize_dims.height,
        image_width=data.image_resize_dims.width,
        downsample_factor=data.downsample_factor,
        params=_tracker_params(config),
        view_names=tuple(data.view_names),
        version=__version__,
    )


def _tracker_params(config: Config) -> dict[str, Any]:
    """Return the tracker's own settings, and those of ``training`` that it has a field for."""
    shared = {
        "uniform_heatmaps_for_nan_keypoints": config.training.uniform_heatmaps_for_nan_keypoints
    }
    fields = getattr(TRACKERS.entry(config.model.model_type).params, "__dataclass_fields__", {})
    return config.model.params | {k: v for k, v in shared.items() if k in fields}


def _loss_basis(config: Config) -> LossBasis:
    """Return what losses may know of the project."""
    data, known = config.data, _tracker_params(config)
    default = LossBasis()
    return LossBasis(
        num_views=max(1, len(data.view_names)),
        singleview_columns=data.columns_for_singleview_pca,
        matched_columns=data.mirrored_column_matches,
        heatmap_sigma=known.get("sigma", default.heatmap_sigma),
        window_radius=known.get("window_radius", default.window_radius),
    )


def _check_label_sizes(losses: LossFactory, data: LabeledData) -> None:
    """Raise DataError if a loss needs one image size a view and there are several."""
    for name, loss in losses.losses.items():
        for view in range(data.cache.sizes.shape[1]) if loss.needs_one_image_size else ():
            sizes = np.unique(data.cache.sizes[:, view], axis=0)
            if len(sizes) > 1:
                found = " and ".join(f"{width} x {height}" for height, width in sizes[:2])
                raise DataError(
                    f"The loss {name} needs labelled images of one size a view, but some are "
                    f"{found} pixels. Bring them to one size, or take it out of "
                    "model.losses_to_use."
                )


def _check_video_sizes(losses: LossFactory, data: LabeledData, video: UnlabeledLoader) -> None:
    """Raise DataError if a loss compares video with labelled images of another size."""
    picky = [name for name, loss in losses.losses.items() if loss.needs_one_image_size]
    if not picky:
        return
    labelled = [tuple(size) for size in data.cache.sizes[0].tolist()]
    for paths, sizes in zip(video.sessions, video.frame_sizes, strict=True):
        for path, size, wanted in zip(paths, sizes, labelled, strict=True):
            if size != wanted:
                raise DataError(
                    f"{path} is {size[1]} x {size[0]} pixels, the labelled images are "
                    f"{wanted[1]} x {wanted[0]}; the loss {picky[0]} compares the two. Bring them "
                    "to one size, or take it out of model.losses_to_use."
                )
