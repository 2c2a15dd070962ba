"""Checks of several values at once; each yields its problems and knows nothing of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lightning_pose.config.problems import Problem
from lightning_pose.config.registered import Setting, settings_of
from lightning_pose.config.schema import Config
from lightning_pose.contracts.registry import BACKBONES, SCHEDULERS
from lightning_pose.contracts.settings import Follows, rule_of

PROBABILITY_TOLERANCE = 1e-6
USUAL_STRIDE = 32


def _splits(config: Config) -> Iterator[Problem]:
    training = config.training
    total = training.train_prob + training.val_prob
    if total > 1 + PROBABILITY_TOLERANCE:
        yield Problem(
            key="training.train_prob",
            value=training.train_prob,
            others=("training.val_prob",),
            rule=f"train_prob and val_prob ({training.val_prob:g}) add up to {total:g}, which is "
            "more than 1; what is left of 1 is the test set",
        )
    if training.split_by == "file" and training.split_file is None:
        rule = "must name a csv with columns image and set, because training.split_by is file"
        yield Problem(key="training.split_file", others=("training.split_by",), rule=rule)
    if training.split_by != "file" and training.split_file is not None:
        rule = f"is only read with training.split_by=file, but that is {training.split_by}"
        yield Problem(key="training.split_file", others=("training.split_by",), rule=rule)
    count = training.train_frames
    if count is not None and count > 1 and count != int(count):
        rule = "must be a whole number of frames, or a fraction below 1"
        yield Problem(key="training.train_frames", value=count, rule=rule)
    if isinstance(training.limit_train_batches, float) and training.limit_train_batches > 1:
        rule = "must be a whole number of batches, or a share up to 1.0"
        yield Problem(
            key="training.limit_train_batches", value=training.limit_train_batches, rule=rule
        )


def _shared_batches(config: Config) -> Iterator[Problem]:
    training = config.training
    if training.train_batch_size % training.processes:
        yield Problem(
            key="training.train_batch_size",
            value=training.train_batch_size,
            rule=f"must be a multiple of {training.processes}: it is shared by num_gpus "
            f"{training.num_gpus} times num_nodes {training.num_nodes} processes",
        )


def _epochs_or_steps(config: Config) -> Iterator[Problem]:
    training, anneal = config.training, config.callbacks.anneal_weight
    for section, name, steps, epochs in (
        (training, "training", "max_steps", "max_epochs"),
        (training, "training", "max_steps", "min_epochs"),
        (training, "training", "unfreezing_step", "unfreezing_epoch"),
        (anneal, "callbacks.anneal_weight", "freeze_until_step", "freeze_until_epoch"),
    ):
        pair = (f"{name}.{steps}", f"{name}.{epochs}")
        followed = any(key in config.follows_max_epochs for key in pair)
        given = (getattr(section, steps), getattr(section, epochs))
        if None not in given and not followed:
            yield Problem(
                key=pair[1],
                value=given[1],
                others=pair[:1],
                rule=f"cannot be set together with {pair[0]} = {given[0]}; set one of them to "
                "null",
            )
    if training.max_steps is None and training.min_steps is not None:
        rule = "needs training.max_steps; without it the length counts in epochs"
        yield Problem(key="training.min_steps", value=training.min_steps, rule=rule)


def _past_the_end(config: Config) -> Iterator[Problem]:
    followed = set(config.follows_max_epochs)
    for setting in [*settings_of(config), *_scheduler_settings(config)]:
        follows = setting.rule.follows
        end = config.training.end_in(follows.unit) if follows is not None else None
        if follows is None or end is None or setting.key in followed:
            continue
        values = setting.value if isinstance(setting.value, list) else [setting.value]
        late = [value for value in values if value is not None and _too_late(value, follows, end)]
        if late and not _is_unused_annealing(setting.key, config):
            which = f": {', '.join(str(value) for value in late)}" if len(values) > 1 else ""
            yield Problem(
                key=setting.key,
                value=setting.value,
                others=(f"training.max_{follows.unit}",),
                rule=f"lies past the end of training, max_{follows.unit} {end}{which}; leave it "
                f"out or set it to null to let it follow training.max_{follows.unit}",
            )


def _too_late(value: int, follows: Follows, end: int) -> bool:
    return value >= end if follows.how == "share" else value > end


def _is_unused_annealing(key: str, config: Config) -> bool:
    return key.startswith("callbacks.anneal_weight.") and not config.model.losses_to_use


def _scheduler_settings(config: Config) -> Iterator[Setting]:
    training = config.training
    if not training.lr_scheduler_params or training.lr_scheduler not in SCHEDULERS:
        return
    params = SCHEDULERS.entry(training.lr_scheduler).params
    for item in params.__dataclass_fields__.values() if params else ():
        value = training.lr_scheduler_params.get(item.name)
        key = f"training.lr_scheduler_params.{item.name}"
        yield Setting(key, value, rule_of(item), training)


def _unsupervised_weight(config: Config) -> Iterator[Problem]:
    used, anneal = config.model.losses_to_use, config.callbacks.anneal_weight
    twice = sorted({name for name in used if used.count(name) > 1})
    if twice:
        rule = f"names {', '.join(twice)} more than once"
        yield Problem(key="model.losses_to_use", value=used, rule=rule)
    end = config.training.max_epochs
    if not used or end is None or anneal.freeze_until_step is not None:
        return
    if max(anneal.weight_at(epoch) for epoch in range(end)) <= 0:
        section = "callbacks.anneal_weight"
        yield Problem(
            key="model.losses_to_use",
            value=used,
            others=(section, "training.max_epochs"),
            rule=f"would never count: with {section}.init_val {anneal.init_val:g}, "
            f"increase_factor {anneal.increase_factor:g}, final_val {anneal.final_val:g} and "
            f"freeze_until_epoch {anneal.freeze_until_epoch} their weight stays 0 through all "
            f"{end} epochs",
        )


def _keypoints(config: Config) -> Iterator[Problem]:
    data = config.data
    names = data.keypoint_names
    if names is not None and len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        rule = f"names {', '.join(twice)} more than once"
        yield Problem(key="data.keypoint_names", rule=rule)
    if names is not None and data.num_keypoints is not None and len(names) != data.num_keypoints:
        yield Problem(
            key="data.num_keypoints",
            value=data.num_keypoints,
            others=("data.keypoint_names",),
            rule=f"differs from the {len(names)} names in data.keypoint_names",
        )


def _keypoint_columns(config: Config) -> Iterator[Problem]:
    data = config.data
    names = data.keypoint_names
    number = data.num_keypoints or (len(names) if names else None)
    yield from keypoint_column_problems(config, number)


def keypoint_column_problems(config: Config, number: int | None) -> Iterator[Problem]:
    """Yield what is wrong with lists of keypoint indices.

    Args:
        config: the configuration.
        number: of keypoints; None = not known yet.
    """
    data = config.data
    if data.columns_for_singleview_pca == []:
        rule = "names no keypoint; null takes all"
        yield Problem(key="data.columns_for_singleview_pca", value=[], rule=rule)
    for key, indices in _keypoint_indices(data):
        wrong = [index for index in indices if number is not None and index >= number]
        if wrong and number is not None:
            rule = (
                f"has {', '.join(map(str, wrong))}, but {number} keypoints count 0 to {number - 1}"
            )
            yield Problem(key=key, others=("data.num_keypoints",), rule=rule)
        if len(set(indices)) < len(indices):
            twice = sorted({index for index in indices if indices.count(index) > 1})
            rule = f"has {', '.join(map(str, twice))} more than once"
            yield Problem(key=key, rule=rule)


def _keypoint_indices(data: Any) -> Iterator[tuple[str, list[int]]]:
    if data.columns_for_singleview_pca is not None:
        yield "data.columns_for_singleview_pca", data.columns_for_singleview_pca
    matches = data.mirrored_column_matches or []
    if len(data.view_names) > 1:  # each camera counts its own keypoints
        yield from (("data.mirrored_column_matches", view) for view in matches)
    else:
        yield "data.mirrored_column_matches", [index for view in matches for index in view]


def _views(config: Config) -> Iterator[Problem]:
    data = config.data
    files = len(data.csv_files)
    if (data.view_names and len(data.view_names) != files) or (files > 1 and not data.view_names):
        yield Problem(
            key="data.view_names",
            value=data.view_names,
            others=("data.csv_file",),
            rule=f"must name as many views as data.csv_file has files, which is {files}",
        )
    matches = data.mirrored_column_matches
    if matches is not None and len({len(view) for view in matches}) > 1:
        sizes = ", ".join(str(len(view)) for view in matches)
        rule = (
            f"must list the same body parts for every view, but the views have {sizes} keypoints"
        )
        yield Problem(key="data.mirrored_column_matches", rule=rule)
    if matches is not None and len(matches) < 2:
        rule = "must have one list per view, so at least two; null if there are no mirrored views"
        yield Problem(key="data.mirrored_column_matches", value=matches, rule=rule)
    elif matches is not None and len(data.view_names) not in (0, 1, len(matches)):
        rule = (
            f"must have one list per view, so {len(data.view_names)}, or be null: every keypoint "
            "is compared then"
        )
        others = ("data.view_names",)
        yield Problem(key="data.mirrored_column_matches", value=matches, others=others, rule=rule)


def _calibration(config: Config) -> Iterator[Problem]:
    if config.data.camera_params_file is not None:
        yield Problem(
            key="data.camera_params_file",
            value=config.data.camera_params_file,
            rule="must be null: nothing here reads a calibration; the loss pca_multiview learns "
            "from the labels how the views belong together",
        )


def _image_size(config: Config) -> Iterator[Problem]:
    dims = config.data.image_resize_dims
    stride = _stride(config)
    for side in ("height", "width"):
        size = getattr(dims, side)
        if size % stride:
            lower, upper = size // stride * stride, -(-size // stride) * stride
            near = f"{lower} or {upper}" if lower else str(upper)
            yield Problem(
                key=f"data.image_resize_dims.{side}",
                value=size,
                others=("model.backbone",),
                rule=f"must be a multiple of {stride}, the stride of {config.model.backbone}; the "
                f"nearest is {near}",
            )


def _stride(config: Config) -> int:
    """Return the backbone's stride; the network is only built where the usual one does not fit."""
    dims = config.data.image_resize_dims
    if dims.height % USUAL_STRIDE == 0 and dims.width % USUAL_STRIDE == 0:
        return USUAL_STRIDE
    if config.model.backbone not in BACKBONES:
        return USUAL_STRIDE
    backbone = BACKBONES.get(config.model.backbone)
    stated = getattr(backbone, "stride", None)
    return int(stated if stated is not None else backbone(pretrained=False).stride)


def _unlabeled_video(config: Config) -> Iterator[Problem]:
    if config.model.losses_to_use and config.data.video_dir is None and config.data.data_dir:
        yield Problem(
            key="data.video_dir",
            others=("model.losses_to_use", "data.data_dir"),
            rule="must be set, because model.losses_to_use learn from unlabelled video; there is "
            "no folder videos in data.data_dir",
        )


CHECKS: tuple[Callable[[Config], Iterator[Problem]], ...] = (
    _splits,
    _shared_batches,
    _epochs_or_steps,
    _past_the_end,
    _unsupervised_weight,
    _keypoints,
    _keypoint_columns,
    _views,
    _calibration,
    _image_size,
    _unlabeled_video,
)
"""In order; what follows from the problems of an earlier one is left out of a later one."""
