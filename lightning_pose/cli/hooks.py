"""What the command line lends to the configuration from rooms above it, imported when called.

A command line with a mistake in it, or ``litpose train --help``, thus never waits for torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lightning_pose.config.build import Hooks
from lightning_pose.config.schema import Config


def toy_data() -> Path:
    """Return the folder of the generated data set, drawn on first use."""
    from lightning_pose.data.toy import toy_dataset_dir

    return toy_dataset_dir()


def check_augmentation(config: Config) -> None:
    """Build what ``training.imgaug`` spells out; a preset's name is checked as a name already.

    Raises:
        ConfigError: a transform or a setting of it does not exist, or has a value it cannot have.
    """
    if isinstance(config.training.imgaug, Mapping):
        from lightning_pose.data.augmentation.build import build_augmenter

        build_augmenter(config.training.imgaug)


HOOKS = Hooks(generators={"toy": toy_data}, checks={"training.imgaug": check_augmentation})
