"""What does a step with unlabelled video cost beside a supervised one on as many images?

    python benchmarks/bench_semi_supervised.py DATA_DIR [--backbone NAME] [--rounds 12]

Steps on 32 labelled images and steps on 16 labelled and 16 unlabelled ones (losses
``pca_singleview`` and ``temporal``) are taken in turns, in one process, so that other work on the
machine hits both alike. Each step fetches its batch from the loader users train with, and runs
forward, backward and optimiser on random weights. Printed are medians, the median of the ratios of
neighbouring steps, and the parts of a step. ``processor`` is the time all threads were at work,
those that decode ahead too: on a busy machine it says more than the clock.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from bench_training import configuration, wait_for_device

from lightning_pose.api import fit_losses, get_dataset, get_model, get_unlabeled_video
from lightning_pose.inference.compute import Compute
from lightning_pose.training.unlabeled import PairedLoader

LOSSES = ("pca_singleview", "temporal")
WARM_UP = 2
Times = dict[str, float]


def main() -> None:
    """Print the times of both kinds of steps."""
    options = parse_options()
    kinds = {
        "supervised": stepper(options, labeled=2 * options.frames, losses=()),
        "with video": stepper(options, labeled=options.frames, losses=LOSSES),
    }
    rounds = [{kind: step() for kind, step in kinds.items()} for _ in range(options.rounds)]
    for kind in kinds:
        parts = {
            part: statistics.median(found[kind][part] for found in rounds[WARM_UP:])
            for part in rounds[0][kind]
        }
        print(f"{kind:11}", ", ".join(f"{part} {1e3 * s:.0f} ms" for part, s in parts.items()))
    for part in ("step", "processor"):
        ratios = [
            found["with video"][part] / found["supervised"][part] for found in rounds[WARM_UP:]
        ]
        middle = statistics.median(ratios)
        print(f"{part}: median ratio {middle:.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def parse_options() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=16, help="of either kind in a step")
    parser.add_argument("--rounds", type=int, default=12)
    return parser.parse_args()


def stepper(
    options: argparse.Namespace, *, labeled: int, losses: tuple[str, ...]
) -> Callable[[], Times]:
    """Return a function that takes a training step and tells how long its parts took."""
    config = configuration(
        argparse.Namespace(
            data_dir=options.data_dir,
            csv_file="CollectedData.csv",
            model_type="heatmap",
            backbone=options.backbone,
            size=options.size,
            batch_size=labeled,
            train_frames=4 * options.frames,
            epochs=100,
            precision="auto",
            losses=losses,
            sequence_length=options.frames,
            pca_columns=[0, 1, 2, 3, 4, 5, 6],
        )
    )
    data = get_dataset(config)
    compute = Compute.choose(precision=config.training.precision)
    tracker: Any = get_model(config, keypoint_names=data.keypoint_names)
    fit_losses(tracker, data)
    tracker = tracker.to(compute.device).train()
    tracker.unsupervised_importance = 1.0
    tracker.use_cuda_graphs = compute.device.type == "cuda"
    optimizer = torch.optim.Adam(tracker.parameters(), lr=1e-4, fused=True)
    video = get_unlabeled_video(config, data)
    loader = data.train_loader() if video is None else PairedLoader(data.train_loader(), video)
    batches = endless(loader)

    def step() -> Times:
        begun, busy = time.perf_counter(), time.process_time()
        batch = next(batches)
        wait_for_device()
        fetched = time.perf_counter()
        with compute.autocast():
            loss = tracker.training_step(batch)
        wait_for_device()
        forward = time.perf_counter()
        optimizer.zero_grad()
        loss.backward()
        wait_for_device()
        backward = time.perf_counter()
        optimizer.step()
        wait_for_device()
        ended = time.perf_counter()
        return {
            "step": ended - begun,
            "processor": time.process_time() - busy,
            "batch": fetched - begun,
            "forward": forward - fetched,
            "backward": backward - forward,
            "optimiser": ended - backward,
        }

    return step


def endless(loader: Any) -> Iterator[Any]:
    """Yield the batches of one epoch after the other."""
    for epoch in itertools.count():
        loader.set_epoch(epoch)
        yield from loader


if __name__ == "__main__":
    main()
