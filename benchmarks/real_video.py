"""Does unlabelled video help on real data? mirror-mouse-example, with and without its video.

    python benchmarks/real_video.py DATA_DIR OUT [--seeds 3] [--workers 1] [--gpus 1]

Trainings of a seed share the split, the weights at the start, the augmentation and the number of
steps (300 epochs of the ones with video). Compared are the pixel error on the test frames, and on
the video, which is the unlabelled one too, the temporal norm and both PCA errors. An interval is
that of the paired difference: over test frames within a seed, over seeds for all together.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from pool import run_all
from scipy import stats

LOSSES = ("pca_singleview", "pca_multiview", "temporal")


def pca(**settings: float) -> list[str]:
    """Return overrides of both pose losses."""
    return [
        f"losses.{name}.{key}={value}" for name in LOSSES[:2] for key, value in settings.items()
    ]


ARMS: dict[str, list[str]] = {
    "supervised": [],
    "default weights": [],
    "strong": ["losses=strong"],
    "moderate": ["losses=moderate"],
    "epsilon 2, log_weight 6": [*pca(epsilon=2, log_weight=6), "losses.temporal.log_weight=8"],
    "epsilon 2, strong": ["losses=strong", *pca(epsilon=2)],
}
STEPS = 3000
ON_VIDEO = ("temporal_norm", "pca_singleview_error", "pca_multiview_error")


def train(arm: str, seed: int, data: Path, out: Path) -> None:
    """Train, and keep the numbers that are compared."""
    from lightning_pose.cli.train.hooks import HOOKS
    from lightning_pose.cli.train.train_app import train_task
    from lightning_pose.config.compose import prepare
    from lightning_pose.config.run import run_hydra

    losses = () if arm == "supervised" else LOSSES
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        overrides = [
            "data=mirror_mouse_example",
            f"data.data_dir={data}",
            f"data.video_dir={data / 'videos'}",
            f"model.losses_to_use=[{','.join(losses)}]",
            f"training.max_steps={STEPS}",
            "dali.base.train.sequence_length=16",
            f"training.rng_seed_data_pt={seed}",
            f"training.rng_seed_model_pt={seed}",
            f"eval.test_videos_directory={data / 'videos'}",
            "tracking.enabled=false",
            f"hydra.run.dir={run_dir}",
            *ARMS[arm],
        ]
        run_hydra(train_task, prepare(overrides, hooks=HOOKS))
        numbers = read_numbers(run_dir)
    path = out / "results" / f"{arm}_{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(numbers) + "\n")


def read_numbers(run_dir: Path) -> dict[str, list[float]]:
    """Return the mean error of each test frame, and of each metric in each frame of the video."""
    errors = table(run_dir / "predictions_pixel_error.csv")
    sets = np.genfromtxt(run_dir / "splits.csv", delimiter=",", dtype=str, skip_header=1)[:, -1]
    numbers = {"pixel error": frame_means(errors[sets == "test"])}
    for metric in ON_VIDEO:
        (path,) = (run_dir / "video_preds").glob(f"*_{metric}.csv")
        numbers[metric] = frame_means(table(path))
    return numbers


def table(path: Path) -> np.ndarray:
    """Return the values of a metric, a row a frame."""
    import pandas as pd

    return pd.read_csv(path, index_col=0).select_dtypes("number").to_numpy()


def frame_means(values: np.ndarray) -> list[float]:
    """Return the mean over the keypoints of each frame that has any."""
    return [float(np.nanmean(row)) for row in values if np.isfinite(row).any()]


def report(out: Path, seeds: range) -> str:
    """Return the table of differences."""
    found = {
        (arm, seed): json.loads(path.read_text())
        for arm, seed in product(ARMS, seeds)
        if (path := out / "results" / f"{arm}_{seed}.json").exists()
    }
    lines = ["| px | arm | mean of seeds | difference by seed | all seeds |", "| --- " * 5 + "|"]
    for metric in ("pixel error", *ON_VIDEO):
        for arm in ARMS:
            mine = [np.array(found[arm, s][metric]) for s in seeds if (arm, s) in found]
            if not mine:
                continue
            cells = ["", ""]
            if arm != "supervised":
                base = [np.array(found["supervised", s][metric]) for s in seeds]
                gaps = [a - b for a, b in zip(mine, base, strict=True)]
                cells = [", ".join(map(interval, gaps)), interval([gap.mean() for gap in gaps])]
            mean = np.mean([values.mean() for values in mine])
            lines.append(f"| {metric} | {arm} | {mean:.2f} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def interval(values: np.ndarray | list[float]) -> str:
    """Return the mean with its 95 % t-interval."""
    test = stats.ttest_1samp(values, 0.0)
    low, high = test.confidence_interval(0.95)
    return f"{np.mean(values):+.2f} [{low:+.2f}, {high:+.2f}]"


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=1)
    options = parser.parse_args()
    data, out = options.data.resolve(), options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    jobs = [
        (arm, seed, data, out)
        for seed, arm in product(range(options.seeds), ARMS)
        if not (out / "results" / f"{arm}_{seed}.json").exists()
    ]
    run_all(train, jobs, workers=options.workers, log=out / "log.txt", gpus=options.gpus)
    print(report(out, range(options.seeds)))


if __name__ == "__main__":
    main()
