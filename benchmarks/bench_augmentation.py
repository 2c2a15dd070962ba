"""Time augmentation, preset by preset: milliseconds a batch and calls to the device.

    python benchmarks/bench_augmentation.py [--device cuda] [--batch 16] [--context 1]

On the CPU the time is processor time of one thread, which other work on the machine does not
lengthen. On a GPU it is wall time of a queue that is kept full, and the kernels are counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from lightning_pose.contracts.registry import AUGMENTATIONS
from lightning_pose.data.augmentation import Augmenter, build_augmenter

REPEATS = 30


def main() -> None:
    """Print one line a preset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--context", type=int, default=1)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    torch.set_num_threads(1)

    rng = torch.Generator().manual_seed(0)
    shape = (options.batch, 1, options.context, 3, options.size, options.size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng)
    points = options.size * torch.rand(options.batch, 1, 17, 2, generator=rng)
    to_image = torch.eye(2, 3).expand(options.batch, 1, 2, 3)
    batch = [value.to(options.device) for value in (images, points, to_image)]
    print(f"{options.batch} x {options.context} frames of {options.size} px on {options.device}")
    print(f"{'preset':14} {'ms':>8} {'kernels':>8}")
    for name in AUGMENTATIONS.names():
        augmenter = build_augmenter(name)
        milliseconds, kernels = measure(augmenter, batch)
        print(f"{name:14} {milliseconds:8.1f} {kernels or '':>8}")


def measure(augmenter: Augmenter, batch: list[Tensor]) -> tuple[float, int]:
    """Return mean milliseconds a call, and kernels in the call that has most (0 on the CPU)."""
    for seed in range(3):
        augmenter(*batch, seed=seed)
    if batch[0].device.type != "cuda":
        return statistics.mean(timed(augmenter, batch, time.process_time, 1)), 0
    torch.cuda.synchronize()
    milliseconds = statistics.mean(timed(augmenter, batch, time.perf_counter, REPEATS))
    return milliseconds, max(count_kernels(augmenter, batch, seed) for seed in range(10))


def timed(
    augmenter: Augmenter, batch: list[Tensor], clock: Callable[[], float], queued: int
) -> list[float]:
    """Return milliseconds a call, each the mean of ``queued`` calls that follow without a wait."""
    times = []
    for first in range(0, REPEATS * queued, queued):
        start = clock()
        for seed in range(first, first + queued):
            augmenter(*batch, seed=seed)
        if batch[0].device.type == "cuda":
            torch.cuda.synchronize()
        times.append(1000.0 * (clock() - start) / queued)
    return times


def count_kernels(augmenter: Augmenter, batch: list[Tensor], seed: int) -> int:
    """Return how many kernels and copies one call queues."""
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        augmenter(*batch, seed=seed)
        torch.cuda.synchronize()
    return sum(1 for event in seen.events() if event.device_type.name == "CUDA")


if __name__ == "__main__":
    main()
