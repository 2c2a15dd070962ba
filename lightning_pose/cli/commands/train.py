"""Train a tracker: a Hydra application (overrides, single-file configs, -m for multirun).

  litpose train data=toy training.max_epochs=50
  litpose train --config-path DIR --config-name NAME model.backbone=resnet18
  litpose train -m model.backbone=resnet18,efficientnet_lite0
  litpose train model.resume=outputs/DATE/TIME

The last line printed is `run: <run directory>`. `litpose config template` prints a commented
configuration for your own data; docs/configuration.md explains every key.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the words behind the command are Hydra's."""
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE, and Hydra's options")


def run(args: argparse.Namespace) -> int:
    """Check the whole command line, then train once, or once for each job of a multirun."""
    from lightning_pose.training.world import launched_world

    world = launched_world()
    if world is not None and world.rank:
        from lightning_pose.cli.train.following import follow

        return follow(world)
    if world is None:
        return _train(args.words)
    from lightning_pose.cli.train.ranks import jobs_end  # imports torch

    with jobs_end(world):  # the others wait for a job, or for the word that there is none
        return _train(args.words)


def _train(words: list[str]) -> int:
    """Show what Hydra was asked to show, or train; return the exit code.

    Raises:
        ConfigError: something in the configuration is wrong; all of it is in the message.
    """
    from lightning_pose.cli.terminal import note
    from lightning_pose.cli.train.hooks import HOOKS
    from lightning_pose.config.compose import prepare
    from lightning_pose.config.run import run_hydra, show

    app = prepare(words, hooks=HOOKS)
    if app.shows_only:
        show(app)
        return 0
    for sentence in app.notes:
        note(sentence)
    # Imports torch: only when all is well.
    from lightning_pose.cli.train.train_app import train_task

    result = run_hydra(train_task, app)
    if app.multirun and isinstance(result, Path):  # of a search; it has a study to tell from
        from lightning_pose.cli.train.sweep_status import say_end

        return say_end(result)
    return 0
