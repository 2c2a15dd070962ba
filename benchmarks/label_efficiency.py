"""Does unlabelled video help? Toy data, few labels, the same number of steps for every arm.

    python benchmarks/label_efficiency.py OUT [--quick] [--workers 1] [--deadline SECONDS]

Every arm of a seed has the same split, labelled frames, initial weights, augmentation, schedule
and number of optimiser steps. Errors are those of all frames of a video that no arm has seen. What
has been computed is kept in OUT/results and not computed again, so a run may be broken off at any
time; the table is made from what is there. ``--workers`` trainings run at once.

The primary claim, fixed beforehand: single frame, arm ``all`` against ``supervised``, logarithm
of the 90th percentile of the pixel error, paired t-test over seeds, two-sided, p < 0.025 at one of
the two budgets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ARMS = {
    "supervised": (),
    "temporal": ("temporal",),
    "pca_singleview": ("pca_singleview",),
    "pca_multiview": ("pca_multiview",),
    "all": ("temporal", "pca_singleview", "pca_multiview"),
}
MODELS = {"single frame": "heatmap", "context": "heatmap_mhcrnn"}
BUDGETS = (10, 25)
SEEDS = range(8)
STEPS, QUICK_STEPS = 1500, 200
UNLABELLED = {1: 600, 2: 600, 3: 600, 4: 600, 5: 600}  # session -> frames
UNSEEN = "walk6"
# Points that are nearly always labelled: a budget of 25 frames has enough complete ones of them.
PCA_COLUMNS = (0, 5, 7, 12)
PCA_SINGLEVIEW_FROM = 25  # labelled frames; with fewer the arm `all` goes without it


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training."""

    budget: int
    model: str
    arm: str
    seed: int
    steps: int

    @property
    def name(self) -> str:
        """Return the name of its result file."""
        return f"{self.budget}_{MODELS[self.model]}_{self.arm}_{self.seed}_{self.steps}"

    @property
    def losses(self) -> tuple[str, ...]:
        """Return its unsupervised losses."""
        losses = ARMS[self.arm]
        few = self.budget < PCA_SINGLEVIEW_FROM
        return tuple(loss for loss in losses if not (few and loss == "pca_singleview"))


def all_jobs(*, quick: bool, seeds: range) -> Iterator[Job]:
    """Yield the trainings, seed by seed, so that a study broken off has whole pairs."""
    budgets, steps = (BUDGETS[:1], QUICK_STEPS) if quick else (BUDGETS, STEPS)
    for seed in seeds[:2] if quick else seeds:
        for model in MODELS:
            for budget in budgets:
                for arm in ARMS:
                    job = Job(budget=budget, model=model, arm=arm, seed=seed, steps=steps)
                    if job.losses or arm == "supervised":
                        yield job


def make_data(folder: Path, *, seed: int) -> Path:
    """Return the toy data set with unlabelled videos of its sessions, drawn if missing."""
    from lightning_pose.data.toy import make_toy_dataset, make_toy_video

    data = folder / f"toy{seed}"
    if not (data / "complete").exists():
        if not (data / "CollectedData.csv").exists():
            make_toy_dataset(data, seed=seed)
        for session, frames in UNLABELLED.items():
            path = data / "unlabeled" / f"walk{session}.mp4"
            make_toy_video(path, session=session, num_frames=frames, seed=seed)
        (data / "complete").touch()
    return data


def overrides_for(job: Job, data: Path, run_dir: Path) -> list[str]:
    """Return the command line of the training."""
    fraction = job.steps / STEPS
    return [
        "data=toy",
        "eval=none",
        f"model={MODELS[job.model]}",
        f"data.data_dir={data}",
        f"data.video_dir={data / 'unlabeled'}",
        "data.image_resize_dims.height=128",
        "data.image_resize_dims.width=128",
        f"data.columns_for_singleview_pca=[{','.join(map(str, PCA_COLUMNS))}]",
        "model.backbone=efficientnet_lite0",
        f"model.losses_to_use=[{','.join(job.losses)}]",
        f"training.train_frames={job.budget}",
        f"training.max_steps={job.steps}",
        f"training.unfreezing_step={round(100 * fraction)}",
        f"training.rng_seed_data_pt={job.seed}",
        f"training.rng_seed_model_pt={job.seed}",
        f"dali.general.seed={job.seed}",
        "dali.base.train.sequence_length=16",
        "tracking.enabled=false",
        f"hydra.run.dir={run_dir}",
        *(annealing(fraction) if job.losses else []),
    ]


def annealing(fraction: float) -> list[str]:
    """Return the settings that bring the weight to 1 by step 600 of 1500; epochs have 10 steps."""
    frozen, rise = max(1, round(20 * fraction)), max(1, round(40 * fraction))
    return [
        f"callbacks.anneal_weight.freeze_until_epoch={frozen}",
        f"callbacks.anneal_weight.increase_factor={1 / rise:.4f}",
    ]


def run_job(job: Job, out: Path, *, toy_seed: int) -> None:
    """Train, predict the unseen video, and write the errors."""
    from lightning_pose.cli.hooks import HOOKS
    from lightning_pose.cli.train_app import train_task
    from lightning_pose.config.compose import prepare
    from lightning_pose.config.run import run_hydra
    from lightning_pose.data.toy import read_truth
    from lightning_pose.inference.model import Model

    data = make_data(out, seed=toy_seed)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        run_hydra(train_task, prepare(overrides_for(job, data, run_dir), hooks=HOOKS))
        trained = time.perf_counter()
        video = data / "videos" / f"{UNSEEN}.mp4"
        predictions = Model.load(run_dir / "checkpoints" / "last.ckpt").predict_video(video)
    error = np.linalg.norm(predictions.xy_img - read_truth(video).xy_img, axis=-1)
    error = error[np.isfinite(error)]
    result = asdict(job) | {
        "losses": job.losses,
        "mean": float(error.mean()),
        "median": float(np.median(error)),
        "p90": float(np.quantile(error, 0.9)),
        "p99": float(np.quantile(error, 0.99)),
        "training_s": trained - started,
    }
    path = out / "results" / f"{job.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(result) + "\n")
    partial.replace(path)


def run_all(jobs: list[Job], out: Path, *, workers: int, deadline: float, toy_seed: int) -> None:
    """Run what has no result yet, several at once; begin none after the deadline."""
    make_data(out, seed=toy_seed)
    waiting = [job for job in jobs if not (out / "results" / f"{job.name}.json").exists()]
    running: list[subprocess.Popen[bytes]] = []
    started = time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    while waiting or running:
        if time.monotonic() - started > deadline:
            waiting.clear()
        while waiting and len(running) < workers:
            words = [json.dumps(asdict(waiting.pop(0))), str(out), str(toy_seed)]
            command = [sys.executable, __file__, "--job", *words]
            log = (out / "log.txt").open("ab")
            running.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
        time.sleep(0.2)
        running = [process for process in running if process.poll() is None]


def report(jobs: list[Job], out: Path) -> str:
    """Return the table of all arms and the verdict on the claim."""
    from scipy import stats

    results = {
        job: json.loads(path.read_text())
        for job in jobs
        if (path := out / "results" / f"{job.name}.json").exists()
    }
    lines = [
        "| labels | model | arm | seeds | mean px | median px | 90 % below | p90 against "
        "supervised | p |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    cells = dict.fromkeys((job.budget, job.model, job.arm) for job in results)
    for budget, model, arm in cells:
        mine = {
            j.seed: r
            for j, r in results.items()
            if (j.budget, j.model, j.arm) == (budget, model, arm)
        }
        base = {
            j.seed: r
            for j, r in results.items()
            if (j.budget, j.model, j.arm) == (budget, model, "supervised")
        }
        both = sorted(mine.keys() & base.keys())
        change, p = "", ""
        if arm != "supervised" and len(both) > 1:
            logs = [np.log(mine[s]["p90"]) - np.log(base[s]["p90"]) for s in both]
            test = stats.ttest_1samp(logs, 0.0)
            low, high = test.confidence_interval(0.95)
            change = (
                f"{np.expm1(np.mean(logs)):+.1%} [{np.expm1(low):+.1%}, {np.expm1(high):+.1%}]"
            )
            p = f"{test.pvalue:.4f}"
        values = [np.mean([r[key] for r in mine.values()]) for key in ("mean", "median", "p90")]
        numbers = " | ".join(f"{value:.2f}" for value in values)
        lines.append(f"| {budget} | {model} | {arm} | {len(mine)} | {numbers} | {change} | {p} |")
    return "\n".join(lines)


def main() -> None:
    """Run the study, or one training of it."""
    if sys.argv[1:2] == ["--job"]:
        job, out, toy_seed = sys.argv[2:]
        run_job(Job(**json.loads(job)), Path(out), toy_seed=int(toy_seed))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="2 seeds, 1 budget, 200 steps")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--deadline", type=float, default=float("inf"), metavar="S")
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 8), metavar=("FIRST", "END"))
    parser.add_argument("--toy-seed", type=int, default=0)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    options = parser.parse_args()
    out = options.out.resolve()
    jobs = [
        job
        for job in all_jobs(quick=options.quick, seeds=range(*options.seeds))
        if job.arm in options.arms and job.model in options.models
    ]
    run_all(
        jobs, out, workers=options.workers, deadline=options.deadline, toy_seed=options.toy_seed
    )
    print(report(jobs, out))


if __name__ == "__main__":
    main()
