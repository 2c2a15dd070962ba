"""What the command line lends to the configuration from rooms above it, imported when called.

A command line with a mistake in it, or ``litpose train --help``, thus never waits for torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lightning_pose.config.build import Hooks
from lightning_pose.config.registered import complete_losses, name_problems
from lightning_pose.config.schema import Config, EvalConfig


def toy_data() -> Path:
    """Return the folder of the generated data set, drawn on first use."""
    from lightning_pose.data.toy import toy_dataset_dir

    return toy_dataset_dir()


def toy_cameras() -> Path:
    """Return the folder of the same data set as two separate cameras, drawn on first use."""
    from lightning_pose.data.toy import toy_dataset_dir

    return toy_dataset_dir(separate_cameras=True)


def check_augmentation(config: Config) -> None:
    """Build what ``training.imgaug`` spells out; a preset's name is checked as a name already.

    Raises:
        ConfigError: a transform or a setting of it does not exist, or has a value it cannot have.
    """
    if isinstance(config.training.imgaug, Mapping):
        from lightning_pose.data.augmentation.build import build_augmenter

        build_augmenter(config.training.imgaug)


def check_gpus(config: Config) -> None:
    """Look for the GPUs of a training on several.

    Raises:
        ConfigError: this machine has not as many.
    """
    if config.training.num_gpus > 1:
        from lightning_pose.training.device import check_number_of_gpus

        check_number_of_gpus(config.training)


def check_losses_on_video(config: Config) -> None:
    """Build the losses that ``model.losses_to_use`` names, and look for video to use them on.

    Raises:
        LitposeError: the tracker cannot feed a loss, or there is no video, or it lacks a view or
            bounding boxes.
    """
    if not config.model.losses_to_use or name_problems(config) or complete_losses(config)[0]:
        return
    from lightning_pose.api import get_loss_factories
    from lightning_pose.data.unlabeled import find_box_files, find_sessions

    get_loss_factories(config)
    if config.data.video_dir is not None:
        sessions = find_sessions(config.data.video_dir, config.data.view_names)
        find_box_files(sessions, required_by=config.data.bbox_files)


def check_colormap(config: Config) -> None:
    """Look the colour map of labelled videos up; the shipped one is known to exist.

    Raises:
        ConfigError: there is none of that name.
    """
    if config.eval.colormap != EvalConfig().colormap:
        from lightning_pose.video.overlay import keypoint_colors

        keypoint_colors(1, config.eval.colormap)


HOOKS = Hooks(
    generators={"toy": toy_data, "toy_cameras": toy_cameras},
    checks={
        "training.imgaug": check_augmentation,
        "training.num_gpus": check_gpus,
        "model.losses_to_use": check_losses_on_video,
        "eval.colormap": check_colormap,
    },
)
