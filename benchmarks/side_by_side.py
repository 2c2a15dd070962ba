"""Time the public predecessor and this program on the same work, in turns, on an idle CPU.

    python benchmarks/side_by_side.py PEER_LITPOSE DATA [--rounds 2]

PEER_LITPOSE is the predecessor's program, installed in an environment of its own; DATA is the
folder mirror-mouse-example. Both train resnet18 from random weights (72 frames, batch 16, 256x256,
backbone trained from the first epoch), and predict the 994 frames of its video. An epoch is the
difference between a long and a short training, divided by the difference in epochs, so that
imports and start-up do not count. Peak memory is the largest resident size of the process.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

SHORT, LONG = 2, 6
FRAMES = 994

Train = Callable[[Path, int], list[str]]
Predict = Callable[[Path], list[str]]

PEER_CONFIG: dict[str, Any] = {
    "data": {
        "image_resize_dims": {"height": 256, "width": 256},
        "image_orig_dims": {"height": 406, "width": 396},
        "csv_file": "CollectedData.csv",
        "downsample_factor": 2,
        "num_keypoints": 17,
        "mirrored_column_matches": [[0, 1, 2, 3, 4, 5, 6], [8, 9, 10, 11, 12, 13, 14]],
        "columns_for_singleview_pca": None,
    },
    "training": {
        "imgaug": "dlc",
        "train_batch_size": 16,
        "val_batch_size": 32,
        "test_batch_size": 32,
        "train_prob": 0.8,
        "val_prob": 0.1,
        "train_frames": 1,
        "num_gpus": 0,
        "num_workers": 2,
        "early_stopping": False,
        "early_stop_patience": 3,
        "unfreezing_epoch": 0,
        "min_epochs": 1,
        "max_epochs": 1,
        "check_val_every_n_epoch": 1,
        "log_every_n_steps": 10,
        "ckpt_every_n_epochs": None,
        "rng_seed_data_pt": 0,
        "rng_seed_model_pt": 0,
        "lr_scheduler": "multisteplr",
        "lr_scheduler_params": {"multisteplr": {"milestones": [], "gamma": 0.5}},
    },
    "model": {
        "losses_to_use": [],
        "backbone": "resnet18",
        "backbone_pretrained": False,
        "model_type": "heatmap",
        "heatmap_loss_type": "mse",
        "model_name": "bench",
        "checkpoint": None,
    },
    "dali": {
        "general": {"seed": 123456},
        "base": {"train": {"sequence_length": 32}, "predict": {"sequence_length": 96}},
        "context": {"train": {"batch_size": 16}, "predict": {"sequence_length": 96}},
    },
    # It asks for these keys also where no such loss is used.
    "losses": {
        "pca_singleview": {"log_weight": 5.0, "components_to_keep": 0.99, "epsilon": None},
        "pca_multiview": {"log_weight": 5.0, "components_to_keep": 3, "epsilon": None},
        "temporal": {"log_weight": 5.0, "epsilon": 20.0, "prob_threshold": 0.05},
    },
    "eval": {
        "predict_vids_after_training": False,
        "save_vids_after_training": False,
        "confidence_thresh_for_vid": 0.9,
        "fiftyone": {"dataset_name": "b", "model_display_names": ["b"]},
        "hydra_paths": [" "],
    },
    "callbacks": {
        "anneal_weight": {
            "attr_name": "total_unsupervised_importance",
            "init_val": 0.0,
            "increase_factor": 0.01,
            "final_val": 1.0,
            "freeze_until_epoch": 0,
        }
    },
}


def main() -> None:
    """Print one line a measurement, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    epochs: dict[str, list[float]] = {"peer": [], "ours": []}
    rates: dict[str, list[float]] = {"peer": [], "ours": []}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for turn in range(args.rounds):
            for who, train, predict in _programs(args.peer.resolve(), args.data.resolve(), folder):
                times = {}
                for count in (SHORT, LONG):
                    run = folder / f"{who}-{turn}-{count}"
                    times[count] = _timed(train(run, count), folder)
                epochs[who].append((times[LONG] - times[SHORT]) / (LONG - SHORT))
                seconds = _timed(predict(folder / f"{who}-{turn}-{LONG}"), folder)
                rates[who].append(FRAMES / seconds)
                print(
                    f"{who}: {epochs[who][-1]:.2f} s an epoch; {SHORT} epochs in "
                    f"{times[SHORT]:.1f} s with start-up; {rates[who][-1]:.1f} frames/s, the "
                    f"whole predict command ({seconds:.1f} s)",
                    flush=True,
                )
    epoch = {who: statistics.median(found) for who, found in epochs.items()}
    rate = {who: statistics.median(found) for who, found in rates.items()}
    print(f"training: {epoch['peer'] / epoch['ours']:.2f}x faster")
    print(f"prediction: {rate['ours'] / rate['peer']:.2f}x faster")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"largest resident size of any process: {usage.ru_maxrss / 1e6:.2f} GB")


def _programs(peer: Path, data: Path, folder: Path) -> list[tuple[str, Train, Predict]]:
    video = data / "videos" / "test_vid.mp4"
    with (data / "CollectedData.csv").open() as labels:
        names = labels.readlines(1 << 16)[1].strip().split(",")[1::2]
    PEER_CONFIG["data"] |= {
        "data_dir": str(data),
        "video_dir": str(data / "videos"),
        "keypoint_names": names,
    }
    config = folder / "peer.yaml"
    config.write_text(yaml.safe_dump(PEER_CONFIG))

    def train_peer(run: Path, epochs: int) -> list[str]:
        words = [f"training.max_epochs={epochs}", f"training.min_epochs={epochs}"]
        return [str(peer), "train", str(config), "--output_dir", str(run), "--overrides", *words]

    def predict_peer(run: Path) -> list[str]:
        return [str(peer), "predict", str(run), str(video), "--reader", "opencv", "--skip_viz"]

    ours = [sys.executable, "-m", "lightning_pose.cli.main"]

    def train_ours(run: Path, epochs: int) -> list[str]:
        return [
            *ours,
            "train",
            "data=mirror_mouse_example",
            f"data.data_dir={data}",
            "model.backbone=resnet18",
            "model.backbone_pretrained=false",
            f"training.max_epochs={epochs}",
            "training.check_val_every_n_epoch=1",
            "training.unfreezing_epoch=0",
            "training.lr_scheduler_params.milestones=[]",
            "eval.predict_vids_after_training=false",
            "tracking.enabled=false",
            f"hydra.run.dir={run}",
        ]

    def predict_ours(run: Path) -> list[str]:
        return [*ours, "predict", str(run), str(video), "--overwrite"]

    return [("peer", train_peer, predict_peer), ("ours", train_ours, predict_ours)]


def _timed(command: Sequence[str], folder: Path) -> float:
    """Return the wall time of a command.

    Raises:
        SystemExit: it failed.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
