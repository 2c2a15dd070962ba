"""Time prediction of a video: decoding alone, the network alone, both together.

    python benchmarks/bench_predict_cpu.py VIDEO [--backbone resnet18] [--batch-sizes 1,4,8,32]

Weights are random: what a network says does not change how long it takes. Each row is the best of
several rounds, because other work on the machine only ever slows a round down. Processor time is
given beside, which other work lengthens least.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch

from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.model import Model
from lightning_pose.inference.parallel import run_batches
from lightning_pose.inference.progress import Progress
from lightning_pose.models.build import build_tracker
from lightning_pose.ops.resize import resize_frames
from lightning_pose.video.network_input import NetworkInput
from lightning_pose.video.reader import open_reader

ROUNDS = 3


def main() -> None:
    """Print one line for each part of the work and batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--model-type", default="heatmap")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch-sizes", default="1,2,4,8,16,32")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)

    compute = Compute.choose(device="cpu", precision=options.precision)
    model = Model(random_tracker(options), compute=compute)
    sizes = [int(size) for size in options.batch_sizes.split(",")]
    print(
        f"{options.video.name}, {options.model_type} {options.backbone} "
        f"{options.size}x{options.size}, {compute.precision}, {torch.get_num_threads()} threads"
    )
    print(f"{'part':22} {'batch':>5} {'fps':>8} {'cpu ms/frame':>13}")
    line("decode", 8, options, lambda: decode(options.video, 8))
    line("decode, resize", 8, options, lambda: decode_and_resize(options.video, 8, options.size))
    for size in sizes:
        line("network alone", size, options, network_alone(model, options.video, size))
    for size in sizes:
        line("end to end", size, options, lambda size=size: end_to_end(model, options.video, size))
    waited = watch(model, options.video)
    print(f"waiting for the decoder: {100 * waited.waited_s / waited.seconds:.1f} % of the time")


def random_tracker(options: argparse.Namespace) -> torch.nn.Module:
    """Return a tracker with random weights and 17 keypoints."""
    torch.manual_seed(0)
    return build_tracker(
        ModelSpec(
            model_type=options.model_type,
            backbone=options.backbone,
            keypoint_names=tuple(f"keypoint{i}" for i in range(17)),
            image_height=options.size,
            image_width=options.size,
        )
    )


def line(part: str, batch: int, options: argparse.Namespace, work: Callable[[], int]) -> None:
    """Print frames per second of the best round, and its processor time per frame."""
    best_s, best_cpu_s, frames = float("inf"), float("inf"), 1
    for _ in range(options.rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        frames = work()
        best_s = min(best_s, time.perf_counter() - wall)
        best_cpu_s = min(best_cpu_s, time.process_time() - cpu)
    print(
        f"{part:22} {batch:5} {frames / best_s:8.1f} {1000 * best_cpu_s / frames:13.2f}",
        flush=True,
    )


def decode(video: Path, batch: int) -> int:
    """Decode to RGB in the background; return the number of frames."""
    return sum(len(raw.frame_ids) for raw in open_reader(video, batch_size=batch))


def decode_and_resize(video: Path, batch: int, size: int) -> int:
    """Decode in the background and resize here."""
    frames = 0
    for raw in open_reader(video, batch_size=batch):
        frames += len(resize_frames(raw.frames, size, size))
    return frames


def network_alone(model: Model, video: Path, batch: int) -> Callable[[], int]:
    """Return a function that predicts one batch over and over, on all cores as prediction does."""
    raw = next(iter(open_reader(video, batch_size=batch, halo=model.data_spec.halo)))
    ready = NetworkInput(model.data_spec)([raw])
    repeats = max(4, 256 // batch)

    def run() -> int:
        batches = itertools.repeat(ready, repeats)
        found = run_batches(model.tracker.predict_batch, batches, compute=model.compute)
        return batch * sum(1 for _ in found)

    return run


def end_to_end(model: Model, video: Path, batch: int) -> int:
    """Predict the video; return the number of frames."""
    return len(model.predict_video(video, batch_size=batch))


def watch(model: Model, video: Path) -> Progress:
    """Predict the video; return the last progress told."""
    told: list[Progress] = []
    model.predict_video(video, on_progress=told.append)
    return told[-1]


if __name__ == "__main__":
    main()
