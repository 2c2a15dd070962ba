"""Time what tracking costs a training.

    python benchmarks/bench_tracking.py DATA_DIR [--backbone resnet18] [--seconds 120]

Two trainings, or two minutes of one, differ by more than tracking costs. But numbers are written
in short whiles, every five seconds: how many fewer steps are done in such a while than at the pace
of the second before and after it is what writing costs. It is printed with its 95 % t-interval
over the whiles, beside the same for whiles as long half way between, in which nothing is written
and which must therefore cost nothing. What the training's thread takes to hand the numbers over is
added. The store is a fresh sqlite file; load of the machine is recorded as by default.
Before that, what logging alone costs at the rate of a fast GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
from bench_training import configuration, device_name
from lightning.pytorch.loggers.logger import Logger
from scipy import stats

from lightning_pose.api import fit, get_dataset, get_model
from lightning_pose.config.schema import Config, TrackingConfig
from lightning_pose.mlops.tracking import RunTracker, start_tracking
from lightning_pose.mlops.tracking.curves import TrackingCurves
from lightning_pose.mlops.tracking.writer import StoreWriter

EPOCHS = 1_000_000
WARM_UP_S, AROUND_S = 15.0, 1.0
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
        whiles = timed_whiles(writer_of(tracked))
        logger, steps = Timed(tracked.logger), Steps(options.seconds)
        fit(
            tracker,
            data.train_loader(),
            data.val_loader(),
            settings=dataclasses.replace(config.training, max_epochs=EPOCHS, min_epochs=1),
            run_dir=Path(folder),
            loggers=[logger],
            callbacks=[steps],
        )
        warnings = tracked.finish("finished")
    report(steps, logger, whiles, options)
    print(*warnings)


def parse_options() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--train-frames", type=int, default=72)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seconds", type=float, default=120.0)
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


class Timed(Logger):
    """Hands metrics on, and sums up how long that takes."""

    def __init__(self, curves: TrackingCurves) -> None:
        super().__init__()
        self.curves = curves
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
        """Hand the values on."""
        started = time.perf_counter()
        self.curves.log_metrics(metrics, step)
        self.handing_s += time.perf_counter() - started

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""


class Steps(pl.Callback):
    """Notes when each step of the training was done.

    Attributes:
        done: times, in seconds.
    """

    def __init__(self, seconds: float) -> None:
        self.done: list[float] = []
        self._seconds = seconds

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Note the time; end the training when there is enough."""
        self.done.append(time.perf_counter())
        trainer.should_stop = self.done[-1] - self.done[0] > self._seconds + WARM_UP_S


def timed_whiles(writer: StoreWriter) -> list[tuple[float, float]]:
    """Return the list that gets begin and end of each while in which the thread writes."""
    whiles: list[tuple[float, float]] = []
    collect, add = writer._collect, writer.spool.add
    began = [0.0]

    def then_begin(items: Any) -> Any:
        began[0] = time.perf_counter()
        return add(items)

    def end_first() -> Any:
        whiles.append((began[0], time.perf_counter()))
        return collect()

    writer.spool.add, writer._collect = then_begin, end_first
    return whiles


def lost_seconds(done: np.ndarray, whiles: list[tuple[float, float]]) -> np.ndarray:
    """Return how much longer the steps in each while took than those around it, in seconds."""
    numbers = np.arange(len(done))

    def steps(start: float, end: float) -> float:
        return float(np.diff(np.interp((start, end), done, numbers))[0])

    lost = []
    for start, end in whiles:
        around = (steps(start - AROUND_S, start) + steps(end, end + AROUND_S)) / (2 * AROUND_S)
        margin = 1 / around  # the step that was under way
        lost.append(end - start + 2 * margin - steps(start - margin, end + margin) / around)
    return np.array(lost)


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


def report(
    steps: Steps, logger: Timed, whiles: list[tuple[float, float]], options: argparse.Namespace
) -> None:
    """Print the numbers."""
    done = np.array(steps.done)
    first, last = done[0] + WARM_UP_S, done[-1] - AROUND_S
    counted = [(a, b) for a, b in whiles if first < a - AROUND_S and b < last]
    between = [
        ((a + c) / 2, (a + c) / 2 + b - a) for (a, b), (c, _) in itertools.pairwise(counted)
    ]
    every = float(np.mean(np.diff([a for a, _ in counted])))
    pace = (done.searchsorted(last) - done.searchsorted(first)) / (last - first)
    print(
        f"{options.backbone} {options.size}x{options.size}, batch {options.batch_size}, "
        f"{device_name()}: {pace:.1f} steps/s; {len(counted)} times written, every {every:.1f} s "
        f"for {1000 * np.mean([b - a for a, b in counted]):.0f} ms"
    )
    for name, chosen in (("writing", counted), ("half way between", between)):
        cost = 100 * lost_seconds(done, chosen) / every
        interval = stats.ttest_1samp(cost, 0.0).confidence_interval()
        print(f"{name}: {cost.mean():+.3f} % ({interval.low:+.3f} to {interval.high:+.3f})")
    print(f"handing over: {100 * logger.handing_s / (done[-1] - done[0]):.3f} %")


if __name__ == "__main__":
    main()
