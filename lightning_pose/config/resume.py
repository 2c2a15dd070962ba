"""What may change when a training is carried on: nothing that would bend its curve."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from lightning_pose.config.defaults import plain_tree
from lightning_pose.config.problems import Problem, in_yaml
from lightning_pose.config.schema import Config
from lightning_pose.config.yaml_file import leaves

MAY_CHANGE = (
    "data.data_dir",
    "data.video_dir",
    "eval.*",
    "follows_max_epochs",
    "model.model_name",
    "model.resume",
    "tracking.*",
    "training.ckpt_every_n_epochs",
    "training.log_every_n_steps",
    "training.max_epochs",
    "training.max_steps",
    "training.min_epochs",
    "training.min_steps",
    "training.num_workers",
    "training.split_file",
)


def changes(before: Config, now: Config) -> Iterator[Problem]:
    """Yield a problem for each value that differs from the stopped run's and may not.

    The settings of a loss that only one of them uses go without saying.
    """
    old, new = dict(leaves(plain_tree(before))), dict(leaves(plain_tree(now)))
    of_one = set(before.model.losses_to_use) ^ set(now.model.losses_to_use)
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) == new.get(key) or any(fnmatchcase(key, free) for free in MAY_CHANGE):
            continue
        if key.startswith("losses.") and key.split(".")[1] in of_one:
            continue
        yield Problem(
            key=key,
            value=new.get(key),
            rule=f"was {in_yaml(old.get(key))} in the run to be resumed, and a resumed training "
            "goes on as it began; leave it out, or start a new run",
        )
