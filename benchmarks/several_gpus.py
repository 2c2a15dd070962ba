"""Compare training on two GPUs with training on one: gradients, errors, speed.

    python benchmarks/several_gpus.py [DATA] [--epochs 150] [--seeds 3] [--cpu]

DATA is a folder with labels, mirror-mouse-example in the folder that LITPOSE_EXAMPLE_DATA names if
it is left out. Three parts, with the same total batch on one GPU and on two:

1. the gradients of the first step, without augmentation: relative difference in 32 and in 64 bits,
   and that between two orders of the same batch on one GPU, which is what 32 bits leave open;
2. for each seed a whole training with ``litpose train``: validation and test error, their means
   over seeds with 95 % t-intervals, and those of the paired difference;
3. steps a second of these trainings, start-up left out.

``--cpu`` takes processes on the CPU instead, to try the script: add ``--epochs 2 --size 64``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from scipy.stats import t as student
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

from lightning_pose.api import fit, get_dataset, get_model
from lightning_pose.config.schema import Config, DataConfig, ImageDims, ModelConfig, TrainingConfig
from lightning_pose.contracts.batches import LabeledBatch
from lightning_pose.data.labeled_data import read_tables
from lightning_pose.training.device import use_gpu_of
from lightning_pose.training.world import World

BOTH = (1, 2)
NEGLIGIBLE = 1e-3  # of the largest: such a gradient is zero but for rounding


class FirstGradients(pl.Callback):
    """Keeps the gradients of the first step, by the names of the parameters."""

    def __init__(self) -> None:
        self.found: dict[str, torch.Tensor] = {}

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: object
    ) -> None:
        """Copy them once."""
        if not self.found:
            named = pl_module.named_parameters()
            self.found = {n: p.grad.cpu().clone() for n, p in named if p.grad is not None}


def main() -> None:
    """Print the three parts."""
    options = parse_options()
    if options.rank is not None:
        keep_first_gradients(options, rank=options.rank, size=options.of, port=options.port)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare_gradients(options, Path(folder))
        compare_trainings(options, Path(folder))


def parse_options() -> argparse.Namespace:
    """Return the command line."""
    named = Path(os.environ.get("LITPOSE_EXAMPLE_DATA", "data")) / "mirror-mouse-example"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=named)
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16, help="of all GPUs together")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--random-weights", action="store_true")
    parser.add_argument("--cpu", action="store_true", help="processes on the CPU")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--double", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--in-turn", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--of", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


class Changed:
    """A loader whose batches have 64 bits, or the order that two processes would take them in."""

    def __init__(self, loader: Any, *, double: bool, in_turn: bool) -> None:
        self.loader = loader
        self.double = double
        self.in_turn = in_turn

    def __len__(self) -> int:
        return len(self.loader)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that comes next."""
        self.loader.set_epoch(epoch)

    def __iter__(self) -> Iterator[LabeledBatch]:
        for batch in self.loader:
            tensors = batch.tensors()
            if self.in_turn:
                tensors = [torch.cat([x[0::2], x[1::2]]) for x in tensors]
            if self.double:
                tensors = [x.double() if x.is_floating_point() else x for x in tensors]
            yield batch.with_tensors(iter(tensors))


def compare_gradients(options: argparse.Namespace, folder: Path) -> None:
    """Print how far the gradients of the first step are apart."""
    for what, one, two in (
        ("32 bits, 2 GPUs against 1", (1, ()), (2, ())),
        ("32 bits, one GPU, rows in another order", (1, ()), (1, ("--in-turn",))),
        ("64 bits, 2 GPUs against 1", (1, ("--double",)), (2, ("--double",))),
    ):
        ours, theirs = (gradients_of(options, *case, folder) for case in (one, two))
        print(f"first-step gradients, {what}: {difference(ours[0], theirs[0])}", flush=True)
        assert all(torch.equal(value, theirs[-1][name]) for name, value in theirs[0].items())


def difference(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> str:
    """Say how far gradients are apart: all together, and the worst tensor."""
    norms = {name: float(value.norm()) for name, value in one.items()}
    most = max(norms.values())
    apart = {
        name: float((two[name] - one[name]).norm()) / (norm if norm > NEGLIGIBLE * most else most)
        for name, norm in norms.items()
    }
    worst = max(apart, key=lambda name: apart[name])
    whole = sum(float((two[n] - one[n]).square().sum()) for n in one) ** 0.5
    whole /= sum(norm**2 for norm in norms.values()) ** 0.5
    return f"{whole:.1e} of all, {apart[worst]:.1e} of {worst}"


def gradients_of(
    options: argparse.Namespace, size: int, words: Sequence[str], folder: Path
) -> list[dict[str, torch.Tensor]]:
    """Return the gradients that each of ``size`` processes ends with."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    out = folder / f"gradients_{size}{''.join(words)}"
    out.mkdir(exist_ok=True)
    words = [*words, "--of", str(size), "--port", str(store.port), "--out", str(out)]
    processes = [
        subprocess.Popen([sys.executable, __file__, *sys.argv[1:], *words, "--rank", str(rank)])
        for rank in range(size)
    ]
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit(f"The processes of the first step ended with {codes}.")
    return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(size)]


def keep_first_gradients(options: argparse.Namespace, *, rank: int, size: int, port: int) -> None:
    """Train one step in this process and write its gradients."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    world = World(rank=rank, local_rank=rank, size=size)
    if size > 1:
        world = replace(world, store=TCPStore("127.0.0.1", port))
    config = Config(
        data=DataConfig(
            data_dir=str(options.data.resolve()),
            image_resize_dims=ImageDims(height=options.size, width=options.size),
        ),
        training=TrainingConfig(
            imgaug="default",
            train_batch_size=options.batch_size,
            train_prob=0.8,
            val_prob=0.1,
            max_steps=1,
            unfreezing_epoch=0,
            precision="fp32",
            num_gpus=size,
            accelerator="cpu" if options.cpu else "gpu",
        ),
        model=ModelConfig(
            backbone=options.backbone, backbone_pretrained=not options.random_weights
        ),
    )
    use_gpu_of(world, config.training)
    tracker = get_model(config, keypoint_names=read_tables(config.data)[0].keypoint_names)
    data = get_dataset(config, spec=tracker.data_spec)
    kept = FirstGradients()
    fit(
        tracker.double() if options.double else tracker,
        Changed(
            data.train_loader(rank=rank, world_size=size),
            double=options.double,
            in_turn=options.in_turn,
        ),
        None,
        settings=config.training,
        run_dir=options.out / "run",
        callbacks=[kept],
        world=world,
    )
    torch.save(kept.found, options.out / f"{rank}.pt")


def compare_trainings(options: argparse.Namespace, folder: Path) -> None:
    """Print errors and speed of whole trainings."""
    rows: dict[int, list[dict[str, float]]] = {size: [] for size in BOTH}
    for seed in range(options.seeds):
        for size in BOTH:
            rows[size].append(train(options, size, seed, folder / f"{size}_{seed}"))
            print(f"seed {seed}, {size}:", json.dumps(rows[size][-1]), flush=True)
    for name in ("validation px", "test px", "steps/s"):
        values = {size: np.array([row[name] for row in rows[size]]) for size in BOTH}
        print(
            f"{name}: on 1 {interval(values[1])}, on 2 {interval(values[2])}, 2 less 1 of the "
            f"same seed {interval(values[2] - values[1])}"
        )


def train(options: argparse.Namespace, size: int, seed: int, run_dir: Path) -> dict[str, float]:
    """Train with the program itself; return what its record says."""
    words = [
        "data=mirror_mouse_example" if options.data.name == "mirror-mouse-example" else "data=toy",
        f"data.data_dir={options.data.resolve()}",
        f"data.image_resize_dims.height={options.size}",
        f"data.image_resize_dims.width={options.size}",
        f"model.backbone={options.backbone}",
        f"model.backbone_pretrained={str(not options.random_weights).lower()}",
        f"training.train_batch_size={options.batch_size}",
        f"training.max_epochs={options.epochs}",
        "training.train_prob=0.8",
        "training.val_prob=0.1",
        f"training.rng_seed_model_pt={seed}",
        f"training.num_gpus={size}",
        f"training.accelerator={'cpu' if options.cpu else 'gpu'}",
        "eval=none",
        "tracking.enabled=false",
        f"hydra.run.dir={run_dir}",
    ]
    command = [sys.executable, "-m", "lightning_pose.cli.main", "train", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    metrics: dict[str, Any] = json.loads((run_dir / "run.json").read_text())["metrics"]
    return {
        "validation px": metrics["val_pixel_error"],
        "test px": metrics["test_mean_px"],
        "steps/s": metrics["steps"] / metrics["training_s"],
    }


def interval(values: Sequence[float] | np.ndarray) -> str:
    """Return mean and 95 % t-interval."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.3f}"
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"


if __name__ == "__main__":
    main()
