"""Are the frames that `litpose suggest` chooses better labelled than frames taken at random?

    python benchmarks/bench_suggest.py OUT [--seeds 5] [--workers 1] [--deadline SECONDS]

For each seed toy data are drawn: 20 labelled frames, 480 frames of four other sessions to choose
from, 240 frames of three more to test on, with the exact truth of all. Three models of different
initial weights learn from the 20. Ten frames are added as `litpose suggest` chooses them by these
three, or at random; labelled with the truth, both sets are learnt from anew by two models each,
with the same seeds and number of steps. What is compared is the mean error over the test frames.
What has been computed is kept in OUT, so a run may be broken off at any time.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
from pool import run_all
from scipy import stats

COMMITTEE, REPEATS = range(3), range(2)
LABELLED, ADDED = 20, 10
POOL, TEST = range(11, 15), range(21, 24)  # numbers of sessions
POOL_FRAMES, TEST_FRAMES = 120, 80
ARMS = ("suggested", "random")
STEPS, BATCH = 150, 10
DATA = "CollectedData.csv"


def draw_data(out: Path, seed: int) -> None:
    """Draw what a seed needs."""
    from lightning_pose.data.toy.dataset import make_toy_dataset, make_toy_video

    folder = out / str(seed)
    if (folder / "drawn").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    make_toy_dataset(folder / "base", seed=seed, num_labeled=LABELLED, num_video_frames=10)
    for session in POOL:
        video = folder / "pool" / f"pool{session}.mp4"
        make_toy_video(video, session=session, num_frames=POOL_FRAMES, seed=seed)
    for session in TEST:
        video = folder / "test" / f"test{session}.mp4"
        make_toy_video(video, session=session, num_frames=TEST_FRAMES, seed=seed)
    (folder / "drawn").touch()


def train(out: Path, seed: int, arm: str, number: int) -> None:
    """Train one model for the number of steps."""
    from lightning_pose.cli.main import main

    folder = out / str(seed)
    run = folder / "runs" / f"{arm}{number}"
    if (run / "trained").exists():
        return
    shutil.rmtree(run, ignore_errors=True)
    frames = LABELLED if arm == "base" else LABELLED + ADDED
    epochs = STEPS * BATCH // frames
    code = main([
        "train", "data=custom", "eval=none", f"data.data_dir={folder / arm}",
        "data.csv_file=CollectedData.csv", "data.image_resize_dims={height: 128, width: 160}",
        "data.columns_for_singleview_pca=[0,5,7,12]", "training.train_prob=1.0",
        "training.val_prob=0.0", f"training.train_batch_size={BATCH}",
        f"training.max_epochs={epochs}", f"training.min_epochs={epochs}",
        f"training.rng_seed_model_pt={100 * seed + number}", "tracking.enabled=false",
        "training.accelerator=cpu", f"hydra.run.dir={run}",
    ])  # fmt: skip
    if code == 0:
        (run / "trained").touch()


def choose(out: Path, seed: int) -> None:
    """Add frames to the labels: those that litpose suggests, and random ones."""
    from lightning_pose.cli.main import main
    from lightning_pose.mlops.review.video_frames import write_pictures

    folder = out / str(seed)
    if (folder / "chosen").exists():
        return
    videos = [folder / "pool" / f"pool{session}.mp4" for session in POOL]
    runs = [str(folder / "runs" / f"base{number}") for number in COMMITTEE]
    shutil.rmtree(folder / "suggestion", ignore_errors=True)
    words = [*runs, *map(str, videos), "--n", str(ADDED), "--out", str(folder / "suggestion")]
    if main(["suggest", *words]) != 0:
        return
    notes = json.loads((folder / "suggestion" / "worklist.worklist.json").read_text())
    chosen = [(Path(one["videos"][0]), one["frame"]) for one in notes["frames"].values()]
    add_frames(folder, "suggested", chosen, folder / "suggestion")
    rng = np.random.default_rng(seed)
    places = rng.choice(len(videos) * POOL_FRAMES, ADDED, replace=False)
    drawn = [(videos[place // POOL_FRAMES], int(place % POOL_FRAMES)) for place in places]
    for video in videos:
        frames = [frame for of, frame in drawn if of == video]
        write_pictures(video, sorted(frames), folder / "drawing")
    add_frames(folder, "random", drawn, folder / "drawing")
    (folder / "chosen").touch()


def add_frames(folder: Path, arm: str, chosen: list[tuple[Path, int]], pictures: Path) -> None:
    """Write the data of an arm: the labels of before, and the truth of the chosen frames."""
    from lightning_pose.data.labels import read_labels, write_labels
    from lightning_pose.data.toy.dataset import read_truth
    from lightning_pose.mlops.review.video_frames import picture_name

    shutil.rmtree(folder / arm, ignore_errors=True)
    shutil.copytree(folder / "base" / "labeled-data", folder / arm / "labeled-data")
    shutil.copytree(folder / "base" / "videos", folder / arm / "videos")
    shutil.copytree(pictures / "labeled-data", folder / arm / "labeled-data", dirs_exist_ok=True)
    labels = read_labels(folder / "base" / DATA, data_dir=folder / "base")
    truth = [read_truth(video).xy_img[frame] for video, frame in chosen]
    more = dataclasses.replace(
        labels,
        images=(*labels.images, *(picture_name(video, frame) for video, frame in chosen)),
        xy_img=np.concatenate([labels.xy_img, np.stack(truth)]),
        visible=None,
    )
    write_labels(more, folder / arm / DATA)


def score(out: Path, seed: int, arm: str, number: int) -> None:
    """Take down the error of a model on the test sessions."""
    from lightning_pose.data.toy.dataset import read_truth
    from lightning_pose.inference.model import Model

    folder = out / str(seed)
    result = folder / f"{arm}{number}.json"
    run = folder / "runs" / f"{arm}{number}"
    if result.exists() or not (run / "trained").exists():
        return
    model = Model.load(run, device="cpu")
    errors = []
    for session in TEST:
        video = folder / "test" / f"test{session}.mp4"
        distance = model.predict_video(video).xy_img - read_truth(video).xy_img
        errors.append(np.linalg.norm(distance, axis=-1))
    error = np.concatenate(errors)
    error = error[np.isfinite(error)]
    numbers = {"mean": error.mean(), "median": np.median(error), "p90": np.quantile(error, 0.9)}
    result.write_text(json.dumps({name: float(value) for name, value in numbers.items()}))


def train_and_score(out: Path, seed: int, arm: str, number: int) -> None:
    """Train a model and take down its error."""
    train(out, seed, arm, number)
    score(out, seed, arm, number)


def report(out: Path, seeds: range) -> str:
    """Return the table, and the paired difference with its interval."""
    rows: dict[int, dict[str, float]] = {}
    for seed in seeds:
        files = {arm: list((out / str(seed)).glob(f"{arm}[0-9].json")) for arm in ("base", *ARMS)}
        if all(len(files[arm]) == len(REPEATS) for arm in ARMS):
            rows[seed] = {
                arm: float(np.mean([json.loads(f.read_text())["mean"] for f in of]))
                for arm, of in files.items()
                if of
            }
    lines = ["| seed | 20 labels | with 10 at random | with 10 suggested | difference |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {seed} | {row['base']:.2f} | {row['random']:.2f} | {row['suggested']:.2f} | "
        f"{row['suggested'] - row['random']:+.2f} |"
        for seed, row in rows.items()
    ]
    differences = np.array([row["suggested"] - row["random"] for row in rows.values()])
    if len(differences) > 1:
        mean, error = differences.mean(), stats.sem(differences)
        reach = stats.t(len(differences) - 1).ppf(0.975) * error
        lines.append(
            f"\nSuggested minus random, mean error over the test frames: {mean:+.2f} px, 95 % "
            f"interval {mean - reach:+.2f} to {mean + reach:+.2f} ({len(differences)} seeds)"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--deadline", type=float, default=float("inf"))
    args = parser.parse_args()
    out, seeds = args.out.resolve(), range(args.seeds)
    out.mkdir(parents=True, exist_ok=True)
    stages = (
        (draw_data, [(out, seed) for seed in seeds]),
        (train_and_score, [(out, seed, "base", n) for seed in seeds for n in COMMITTEE]),
        (choose, [(out, seed) for seed in seeds]),
        (train_and_score, [(out, s, arm, n) for s in seeds for arm in ARMS for n in REPEATS]),
    )
    for function, calls in stages:
        run_all(function, calls, workers=args.workers, log=out / "log.txt", deadline=args.deadline)
    print(report(out, seeds))


if __name__ == "__main__":
    main()
