"""A process beside process 0 of a training on several GPUs; it trains, and keeps quiet.

torchrun and srun start it as ``litpose train ...`` like process 0. It reads nothing of that
command line: process 0 has worked out the configuration and put it into the run directory.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

from lightning_pose.api import fit, fit_losses, get_dataset, get_model, get_unlabeled_video
from lightning_pose.cli.main import guarded
from lightning_pose.cli.train.jobs import Job, leave, next_job, ready
from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import TrainingError
from lightning_pose.contracts.registry import load_plugins
from lightning_pose.data.labeled_data import read_tables
from lightning_pose.training.device import use_gpu_of
from lightning_pose.training.world import World, connected, launched_world


def follow(world: World) -> int:
    """Train whatever process 0 trains, until it has nothing more; return the exit code 0."""
    number = 0
    store = connected(world)
    while (job := next_job(store, number)) is not None:
        train_beside(world, job)
        number += 1
    leave(store, rank=world.rank)
    return 0


def train_beside(world: World, job: Job) -> None:
    """Do this process's share of one training."""
    run_dir = Path(job.run_dir)
    config = load_run_config(run_dir)
    load_plugins([], search_dir=Path.cwd())
    for name in config.plugins:
        folder = job.plugin_folders.get(name)
        load_plugins([name], search_dir=Path(folder) if folder else None)
    use_gpu_of(world, config.training)
    tracker = get_model(config, keypoint_names=read_tables(config.data)[0].keypoint_names)
    data = get_dataset(config, spec=tracker.data_spec)
    fit_losses(tracker, data)
    place = {"rank": world.rank, "world_size": world.size}
    video = get_unlabeled_video(config, data, **place)
    store = connected(world)
    ready(store, job, rank=world.rank)
    fit(
        tracker,
        data.train_loader(**place),
        data.val_loader(**place),
        settings=config.training,
        run_dir=run_dir,
        unlabeled=video,
        resume_from=run_dir if job.resumed else None,
        world=replace(world, store=store),
    )


def main() -> int:
    """Follow the process that has started this one; end at once when it is gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    world = launched_world()
    if world is None:
        raise TrainingError("This program is started by `litpose train`, not by itself.")
    run = argparse.Namespace(run=lambda _: follow(world), debug=False)
    return guarded(run)


def _end_with_parent() -> None:
    while os.read(0, 1):  # until the parent closes it or dies; no lock that ending Python needs
        continue
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
