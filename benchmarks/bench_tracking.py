"""Time what tracking costs a training: one training, in which tracking is on and off in turns.

    python benchmarks/bench_tracking.py DATA_DIR [--backbone resnet18] [--blocks 20] [--block-s 20]

Two trainings differ by more than tracking costs, two neighbouring blocks of one training do not.
A block lasts as many epochs as fill ``--block-s`` seconds; the store is a fresh sqlite file,
open before the first block, written to as by default (every 5 s; load of the machine every 10 s).
The first seconds of each block, in which the store still takes what the block before gave, do not
count. Printed are, from off to on, the change of the steps per second and of the processor time of
the whole process per step, each with its 95 % t-interval over pairs of blocks. Neighbouring blocks
may still differ by more than one per cent by themselves, so that a bound is printed too: the share
of the time in which the training's thread hands numbers over, plus that of the processor time of
the writing thread, all of which the training might wait for. Before that, what logging alone costs
at the rate of a fast GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
from bench_training import configuration, device_name, wait_for_device
from lightning.pytorch.loggers.logger import Logger
from scipy import stats

from lightning_pose.api import fit, get_dataset, get_model
from lightning_pose.config.schema import Config, TrackingConfig
from lightning_pose.mlops.tracking import RunTracker, start_tracking
from lightning_pose.mlops.tracking.curves import TrackingCurves
from lightning_pose.mlops.tracking.writer import StoreWriter

EPOCHS = 1_000_000
OFF_ON = (False, True)
METRICS, LOGS_PER_S = 10, 10


def main() -> None:
    """Print the change, and what it consists of."""
    options = parse_options()
    report_logging(options.logging_s)
    config = configuration(options)
    data = get_dataset(config)
    tracker = get_model(config, keypoint_names=data.keypoint_names)
    with tempfile.TemporaryDirectory() as folder:
        tracked = open_store(Path(folder), config)
        blocks = Blocks(tracked, options)
        fit(
            tracker,
            data.train_loader(),
            data.val_loader(),
            settings=dataclasses.replace(config.training, max_epochs=EPOCHS, min_epochs=1),
            run_dir=Path(folder),
            loggers=[blocks.logger],
            callbacks=[blocks],
        )
        warnings = tracked.finish("finished")
    report(blocks, options, warnings)


def parse_options() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--train-frames", type=int, default=72)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--blocks", type=int, default=20, help="an even number")
    parser.add_argument("--block-s", type=float, default=20.0)
    parser.add_argument("--settle-s", type=float, default=6.0)
    parser.add_argument("--logging-s", type=float, default=30.0)
    parser.set_defaults(
        csv_file="CollectedData.csv",
        engine="auto",
        model_type="heatmap",
        losses=[],
        epochs=EPOCHS,
        sequence_length=16,
        pca_columns=[],
    )
    return parser.parse_args()


def open_store(folder: Path, config: Config) -> RunTracker:
    """Return a tracked run in a fresh store that is open."""
    wishes = TrackingConfig(
        uri=f"sqlite:///{folder}/mlflow.db", artifact_dir=str(folder / "mlruns")
    )
    tracked = start_tracking(
        wishes,
        experiment="bench",
        run_name="bench",
        params=dataclasses.asdict(config),
        tags={},
        spool=folder / "spool.jsonl",
    )
    while not tracked.identity:
        time.sleep(0.1)
    return tracked


class Switch(Logger):
    """Hands metrics on, or does not."""

    def __init__(self, curves: TrackingCurves) -> None:
        super().__init__()
        self.curves = curves
        self.on = False
        self.handing_s = 0.0

    @property
    def name(self) -> str:
        """Return the name of the store."""
        return self.curves.name

    @property
    def version(self) -> str:
        """Return the run."""
        return self.curves.version

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Hand the values on if it is on."""
        if self.on:
            started = time.perf_counter()
            self.curves.log_metrics(metrics, step)
            self.handing_s += time.perf_counter() - started

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""


class Blocks(pl.Callback):
    """Switches tracking on and off, and counts steps and time of each block.

    Attributes:
        found: (tracked, steps per second, processor seconds of the process per step, seconds a
            second of handing over and of the writer's processor time) of each.
    """

    def __init__(self, tracked: RunTracker, options: argparse.Namespace) -> None:
        self.logger = Switch(tracked.logger)
        self.found: list[tuple[bool, float, float, float, float]] = []
        self._options = options
        self._writer = writer_of(tracked)
        self._began = self._counted = 0.0
        self._cpu, self._all_cpu, self._step = 0.0, 0.0, 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End a block, or its first seconds, if it is time."""
        wait_for_device()
        now = time.perf_counter()
        if not self._began:  # the first epoch compiles and warms up
            self._began = now
        elif not self._counted and now - self._began > self._options.settle_s:
            self._counted = now
            self._cpu, self._step = cpu_seconds(self._writer), trainer.global_step
            self._all_cpu, self.logger.handing_s = time.process_time(), 0.0
        elif self._counted and now - self._began > self._options.block_s:
            seconds = now - self._counted
            steps = trainer.global_step - self._step
            cost = (time.process_time() - self._all_cpu) / steps
            share = (cpu_seconds(self._writer) - self._cpu) / seconds
            handing = self.logger.handing_s / seconds
            self.found.append((self.logger.on, steps / seconds, cost, handing, share))
            self.logger.on = not self.logger.on
            self._began, self._counted = now, 0.0
            trainer.should_stop = len(self.found) >= self._options.blocks


def writer_of(tracked: RunTracker) -> StoreWriter:
    """Return the thread that writes."""
    writer = tracked.logger._writer
    if writer is None:
        raise SystemExit("Nothing is tracked.")
    return writer


def cpu_seconds(thread: StoreWriter) -> float:
    """Return the processor time that a thread has used."""
    if thread.ident is None:
        raise SystemExit("The writer does not run.")
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def report_logging(seconds: float) -> None:
    """Print what logging alone costs, ten metrics ten times a second: a GPU of 100 steps/s."""
    values = {f"metric_{number}": float(number) for number in range(METRICS)}
    with tempfile.TemporaryDirectory() as folder:
        tracked = open_store(Path(folder), Config())
        writer = writer_of(tracked)
        handing, before = 0.0, cpu_seconds(writer)
        steps = int(seconds * LOGS_PER_S)
        for step in range(steps):
            started = time.thread_time()
            tracked.logger.log_metrics(values, step)
            handing += time.thread_time() - started
            time.sleep(1 / LOGS_PER_S)
        writing = (cpu_seconds(writer) - before) / steps
        tracked.finish("finished")
    handed = handing / steps
    print(
        f"logging alone, {METRICS} metrics {LOGS_PER_S} times a second: {1e6 * handed:.0f} us of "
        f"the training's thread and {1e3 * writing:.2f} ms of the writer's each time, that is "
        f"{100 * LOGS_PER_S * handed:.3f} % and {100 * LOGS_PER_S * writing:.2f} % of a core"
    )


def report(blocks: Blocks, options: argparse.Namespace, warnings: tuple[str, ...]) -> None:
    """Print the numbers."""
    off, on = (np.array([row[1:] for row in blocks.found if row[0] is state]) for state in OFF_ON)
    pairs = min(len(on), len(off))
    print(
        f"{options.backbone} {options.size}x{options.size}, batch {options.batch_size}, "
        f"{device_name()}: {pairs} pairs of blocks of {options.block_s:g} s"
    )
    for column, name in enumerate(("steps/s", "processor seconds a step")):
        change = 100 * np.log(on[:pairs, column] / off[:pairs, column])
        interval = stats.ttest_1samp(change, 0.0).confidence_interval()
        print(
            f"{name}: off {off[:, column].mean():.4g}, on {on[:, column].mean():.4g}, change "
            f"{change.mean():+.2f} % ({interval.low:+.2f} to {interval.high:+.2f})"
        )
    handing, writing = 100 * on[:, 2:].mean(axis=0)
    print(
        f"handing over takes {handing:.3f} % of the time, the writer's thread {writing:.2f} % of "
        f"a core: at most {handing + writing:.2f} % in all"
    )
    for warning in warnings:
        print(warning)


if __name__ == "__main__":
    main()
