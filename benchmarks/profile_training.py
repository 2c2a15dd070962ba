"""Show where the time of training goes on a GPU: busy, idle, waiting for data, which kernels.

    python benchmarks/profile_training.py DATA_DIR [the options of bench_training.py]

Steps of a real training, after its warm-up, are recorded by torch's profiler. The GPU is *busy*
while at least one kernel or copy runs; *idle for data* is idle while the training loop waits for
its next batch. Recording slows the host down, so idle shares are upper bounds; steps per second
come from bench_training.py.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from bench_training import configuration, parse_options
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from lightning_pose.api import fit, fit_losses, get_dataset, get_model, get_unlabeled_video
from lightning_pose.training import speed

KERNELS_SHOWN = 25
Spans = list[tuple[float, float]]


def main() -> None:
    """Print the shares and the dearest kernels."""
    options = parse_options(__doc__)
    config = configuration(options)
    data = get_dataset(config)
    tracker = get_model(config, keypoint_names=data.keypoint_names)
    fit_losses(tracker, data)
    recorder = Recorder(first=options.warmup_epochs, last=options.epochs - 1)
    waits = note_waiting()
    with tempfile.TemporaryDirectory() as folder:
        fit(
            tracker,
            data.train_loader(),
            data.val_loader(),
            settings=config.training,
            run_dir=Path(folder),
            callbacks=[recorder],
            unlabeled=get_unlabeled_video(config, data),
        )
    report(recorder, waits)


class Recorder(pl.Callback):
    """Records from the start of one epoch to the end of another."""

    def __init__(self, *, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self.steps = 0
        self.profile = profile(activities=[ProfilerActivity.CUDA])

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start."""
        if trainer.current_epoch == self.first:
            torch.cuda.synchronize()
            self.steps = -trainer.global_step
            self.profile.start()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop."""
        if trainer.current_epoch == self.last:
            torch.cuda.synchronize()
            self.profile.stop()
            self.steps += trainer.global_step


def note_waiting() -> Spans:
    """Return a list that gets the times in which the loop waits for a batch, in seconds."""
    plain = speed.TimedLoader.__iter__
    waits: Spans = []

    def noted(loader: speed.TimedLoader) -> Any:
        batches = plain(loader)
        while True:
            began = time.time_ns()
            batch = next(batches, None)
            waits.append((began / 1e9, time.time_ns() / 1e9))
            if batch is None:
                return
            yield batch

    speed.TimedLoader.__iter__ = noted
    return waits


def report(recorder: Recorder, waits: Spans) -> None:
    """Print the shares of time, then kernels by what they take a step."""
    record = recorder.profile.profiler.kineto_results  # pyright: ignore
    kernels = [event for event in record.events() if event.device_type() == DeviceType.CUDA]
    spans = [(e.start_ns() / 1e9, (e.start_ns() + e.duration_ns()) / 1e9) for e in kernels]
    busy, waiting = joined(spans), joined(waits)
    whole = busy[-1][1] - busy[0][0]
    idle = [(end, start) for (_, end), (start, _) in pairwise(busy)]
    steps = recorder.steps
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {steps} steps recorded")
    print(f"a step takes        {1e3 * whole / steps:8.3f} ms")
    print(f"GPU busy            {total(busy) / whole:8.1%}")
    print(f"                    {1e3 * total(busy) / steps:8.3f} ms a step")
    print(f"GPU idle            {total(idle) / whole:8.1%}")
    print(f"GPU idle for data   {total(common(idle, waiting)) / whole:8.1%}")
    by_name: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
    for event in kernels:
        by_name[event.name()][0] += event.duration_ns() / 1e3
        by_name[event.name()][1] += 1
    print("kernels: microseconds a step, calls a step")
    dearest = sorted(by_name.items(), key=lambda item: -item[1][0])[:KERNELS_SHOWN]
    for name, (micro, calls) in dearest:
        print(f"{micro / steps:9.1f} {calls / steps:7.1f}  {name[:110]}")


def joined(spans: Iterable[tuple[float, float]]) -> Spans:
    """Return the union of spans of time, in order."""
    union: Spans = []
    for start, end in sorted(spans):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(end, union[-1][1]))
        else:
            union.append((start, end))
    return union


def common(ones: Spans, others: Spans) -> Spans:
    """Return where both are; each is in order and does not overlap itself."""
    found: Spans = []
    place = 0
    for start, end in ones:
        while place < len(others) and others[place][1] <= start:
            place += 1
        for other_start, other_end in others[place:]:
            if other_start >= end:
                break
            found.append((max(start, other_start), min(end, other_end)))
    return found


def total(spans: Spans) -> float:
    """Return the sum of the lengths."""
    return sum(end - start for start, end in spans)


if __name__ == "__main__":
    main()
