"""Time supervised training: the whole of ``fit``, its loader alone, its network alone.

    python benchmarks/bench_training.py DATA_DIR [--backbone resnet50] [--epochs 200]

Weights are random and the backbone learns from the first epoch on: the steps are the dearest ones
of a real training. ``fit`` is timed from the end of the warm-up epochs to the end of the last one,
with augmentation, validation every fifth epoch, logging and checkpoints, as users run it. The last
batch of an epoch may be smaller than the others; ``--train-frames`` chooses how many frames.

``--losses temporal pca_singleview`` trains on the videos of DATA_DIR/videos as well, which
count from the first epoch on, ``--sequence-length`` frames a step.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from lightning_pose.api import fit, fit_losses, get_dataset, get_model, get_unlabeled_video
from lightning_pose.config.schema import (
    Config,
    DaliConfig,
    DataConfig,
    ImageDims,
    ModelConfig,
    TrainingConfig,
)
from lightning_pose.config.schema.data import BaseDali, BaseTrainBatch, GeneralDali
from lightning_pose.config.schema.training import AnnealWeightConfig, CallbacksConfig
from lightning_pose.data.labeled_data import LabeledData
from lightning_pose.inference.compute import Compute

LOADER_EPOCHS = 40
NETWORK_STEPS = 200
NETWORK_WARM_UP = 10


def main() -> None:
    """Print one line for each part of the work."""
    options = parse_options()
    config = configuration(options)
    started = time.perf_counter()
    data = get_dataset(config)
    rows = {"decoding": {"seconds": time.perf_counter() - started}}
    with tempfile.TemporaryDirectory() as folder:
        rows["fit"] = time_fit(config, data, warmup=options.warmup_epochs, run_dir=Path(folder))
    if not options.fit_only and not options.losses:
        rows["loader alone"] = time_loader(data, epochs=min(LOADER_EPOCHS, options.epochs))
        rows["network alone"] = time_network(config, data, steps=options.network_steps)
    print(
        f"{options.model_type} {options.backbone} {options.size}x{options.size}, batch "
        f"{options.batch_size}, {len(data.train_loader().rows)} frames, {device_name()}, "
        f"torch {torch.__version__}"
    )
    for part, values in rows.items():
        print(f"{part:14}", ", ".join(f"{key} {value:.5g}" for key, value in values.items()))
    if options.json is not None:
        options.json.write_text(json.dumps(vars(options) | rows, default=str) + "\n")


def parse_options(description: str | None = None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=description or __doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--csv-file", default="CollectedData.csv")
    parser.add_argument("--model-type", default="heatmap")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--train-frames", type=int, default=72)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--warmup-epochs", type=int, default=20)
    parser.add_argument("--network-steps", type=int, default=NETWORK_STEPS)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--losses", nargs="*", default=[], help="on unlabelled video")
    parser.add_argument("--sequence-length", type=int, default=16)
    parser.add_argument("--pca-columns", type=int, nargs="*", default=[0, 1, 2, 3, 4, 5, 6])
    parser.add_argument("--engine", default="auto", help="of unlabelled video")
    parser.add_argument("--fit-only", action="store_true")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    return parser.parse_args()


def configuration(options: argparse.Namespace) -> Config:
    """Return a configuration that trains random weights without a frozen phase."""
    return Config(
        data=DataConfig(
            data_dir=str(options.data_dir.resolve()),
            csv_file=options.csv_file,
            image_resize_dims=ImageDims(height=options.size, width=options.size),
            video_dir=str(options.data_dir.resolve() / "videos"),
            columns_for_singleview_pca=options.pca_columns if options.losses else None,
        ),
        training=TrainingConfig(
            train_batch_size=options.batch_size,
            train_prob=0.8,
            val_prob=0.1,
            train_frames=options.train_frames,
            max_epochs=options.epochs,
            unfreezing_epoch=0,
            precision=options.precision,
        ),
        model=ModelConfig(
            model_type=options.model_type,
            backbone=options.backbone,
            backbone_pretrained=False,
            losses_to_use=list(options.losses),
        ),
        dali=DaliConfig(
            general=GeneralDali(engine=options.engine),
            base=BaseDali(train=BaseTrainBatch(sequence_length=options.sequence_length)),
        ),
        callbacks=CallbacksConfig(
            anneal_weight=AnnealWeightConfig(init_val=1.0, final_val=1.0, freeze_until_epoch=0)
        ),
    )


class SteadyTime(pl.Callback):
    """Takes the time from the end of the warm-up to the end of the last epoch."""

    def __init__(self, *, warmup: int) -> None:
        self.warmup = warmup
        self.start = (0.0, 0)
        self.end = (0.0, 0)
        self.validating = 0.0
        self._began = 0.0

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the clock when the device has done the steps before."""
        wait_for_device()
        self._began = time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the time up, after the warm-up."""
        wait_for_device()
        if trainer.current_epoch >= self.warmup:
            self.validating += time.perf_counter() - self._began

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the clock when the device has done its work."""
        done = trainer.current_epoch + 1
        if done == self.warmup or done == trainer.max_epochs:
            wait_for_device()
            now = (time.perf_counter(), trainer.global_step)
            self.start, self.end = (now, now) if done == self.warmup else (self.start, now)


def time_fit(config: Config, data: LabeledData, *, warmup: int, run_dir: Path) -> dict[str, float]:
    """Return steps and frames per second of a whole training after its warm-up."""
    tracker = get_model(config, keypoint_names=data.keypoint_names)
    fit_losses(tracker, data)
    video = get_unlabeled_video(config, data)
    clock = SteadyTime(warmup=warmup)
    loader = data.train_loader()
    result = fit(
        tracker,
        loader,
        data.val_loader(),
        settings=config.training,
        run_dir=run_dir,
        callbacks=[clock],
        unlabeled=video,
    )
    seconds, steps = clock.end[0] - clock.start[0], clock.end[1] - clock.start[1]
    frames = steps * loader.num_rows / len(loader)
    return {
        "steps/s": steps / seconds,
        "frames/s": frames / seconds,
        "steps": steps,
        "seconds": seconds,
        "first step after s": result.first_step_s,
        "share of time waiting for data": result.data_wait_share,
        "steps/s between validations": steps / (seconds - clock.validating),
    }


def time_loader(data: LabeledData, *, epochs: int) -> dict[str, float]:
    """Return how many augmented batches a second the loader makes."""
    loader = data.train_loader()
    started, batches = 0.0, 0
    for epoch in range(epochs + 1):
        if epoch == 1:
            wait_for_device()
            started, batches = time.perf_counter(), 0
        loader.set_epoch(epoch)
        batches += sum(1 for _ in loader)
    wait_for_device()
    return {"batches/s": batches / (time.perf_counter() - started)}


def time_network(config: Config, data: LabeledData, *, steps: int) -> dict[str, float]:
    """Return steps per second of forward, backward and Adam on one and the same batch."""
    compute = Compute.choose(precision=config.training.precision)
    tracker = get_model(config, keypoint_names=data.keypoint_names).to(compute.device).train()
    tracker.use_cuda_graphs = compute.device.type == "cuda"
    optimizer = torch.optim.Adam(tracker.parameters(), lr=1e-4, fused=True)
    batch: Any = next(iter(data.train_loader()))

    def step() -> None:  # a loss that outlives its step would be in the way of CUDA graphs
        with compute.autocast():
            loss = tracker.training_step(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for _ in range(NETWORK_WARM_UP):
        step()
    wait_for_device()
    started = time.perf_counter()
    for _ in range(steps):
        step()
    wait_for_device()
    return {"steps/s": steps / (time.perf_counter() - started)}


def wait_for_device() -> None:
    """Return when the GPU, if there is one, has nothing left to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def device_name() -> str:
    """Return what training ran on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
