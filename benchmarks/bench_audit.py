"""How many wrong labels does `litpose audit` find, asked of models that learnt from them?

    python benchmarks/bench_audit.py OUT [--seeds 3] [--epochs 30] [--workers 1] [--device cpu]

For each seed the toy data are drawn, 90 labelled frames, and one label in fifty is spoilt: half
of them are moved, by 8 to 60 px, and half are left and right of a pair at least 8 px apart that
change places. Three models learn from the spoilt labels, in one of two ways:

    folds   a third of the frames is kept from each model, another third each
    splits  splits of their own by the default of the toy data: 80 % to train on, 10 % each to
            validate and to test, so that about half of all frames are seen by every model

What is counted are labels: those that were spoilt and are found, and those that were not and are
found all the same.
What has been computed is kept in OUT, so a run may be broken off at any time.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pool import run_all

MODELS = range(3)
ARMS = {"folds": ("fold0", "fold1", "fold2"), "splits": ("split0", "split1", "split2")}
WRONG = 1 / 50
LEAST_PX, NEAR_PX, MOST_PX = 8.0, 20.0, 60.0
KINDS = BELOW, SIDE, NEAR, FAR = (
    "swapped in the view from below",
    "in the view from the side",
    "moved by 8-20 px",
    "20-60 px",
)
DATA, CLEAN, SPOILT = "CollectedData.csv", "clean.csv", "spoilt.json"


def draw_data(out: Path, seed: int) -> None:
    """Draw the data of a seed, and spoil labels of it."""
    from lightning_pose.data.augmentation.sides import find_hflip_pairs
    from lightning_pose.data.image_files import image_size
    from lightning_pose.data.labels import read_labels, write_labels
    from lightning_pose.data.toy.dataset import make_toy_dataset

    folder = out / str(seed)
    if (folder / SPOILT).exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    make_toy_dataset(folder, seed=seed, num_video_frames=10, num_new_video_frames=10)
    (folder / DATA).rename(folder / CLEAN)
    clean = read_labels(folder / CLEAN, data_dir=folder)
    rng = np.random.default_rng(seed)
    xy, spoilt = clean.xy_img.copy(), {}
    number = round(clean.labelled.sum() * WRONG / 2)
    pairs = find_hflip_pairs(clean.keypoint_names)
    apart = np.stack([np.linalg.norm(xy[:, a] - xy[:, b], axis=-1) for a, b in pairs], axis=1)
    for row, pair in rng.permutation(np.argwhere(apart >= LEAST_PX))[: round(number / 2)]:
        columns = list(pairs[pair])
        xy[row, columns] = xy[row, columns[::-1]]
        spoilt.update({(row, column): ("swap", apart[row, pair]) for column in columns})
    places = [tuple(at) for at in np.argwhere(clean.labelled) if tuple(at) not in spoilt]
    for row, column in rng.permutation(places):
        if len(spoilt) >= 2 * number:
            break
        distance = np.exp(rng.uniform(np.log(LEAST_PX), np.log(MOST_PX)))
        angle = rng.uniform(0, 2 * np.pi)
        moved = xy[row, column] + distance * np.array([np.cos(angle), np.sin(angle)])
        height, width = image_size(clean.path(row))
        if (moved >= 0).all() and (moved <= (width - 1, height - 1)).all():
            xy[row, column] = moved
            spoilt[row, column] = ("move", distance)
    write_labels(dataclasses.replace(clean, xy_img=xy), folder / DATA)
    for number in MODELS:
        sets = ["test" if row % len(MODELS) == number else "train" for row in range(len(clean))]
        rows = [f"{image},{part}" for image, part in zip(clean.images, sets, strict=True)]
        (folder / f"fold{number}.csv").write_text("\n".join(["image,set", *rows]) + "\n")
    told = [
        {"image": clean.images[row], "keypoint": clean.keypoint_names[column],
         "kind": kind, "px": float(distance)}
        for (row, column), (kind, distance) in spoilt.items()
    ]  # fmt: skip
    (folder / SPOILT).write_text(json.dumps(told, indent=1))


def train(out: Path, seed: int, name: str, epochs: int, device: str) -> None:
    """Train one model."""
    from lightning_pose.cli.main import main

    folder = out / str(seed)
    run = folder / "runs" / name
    if (run / "trained").exists():
        return
    shutil.rmtree(run, ignore_errors=True)
    number = name[-1]
    split = {
        "fold": ["training.split_by=file", f"training.split_file={folder}/fold{number}.csv"],
        "split": [f"training.rng_seed_data_pt={number}"],
    }[name[:-1]]
    code = main([
        "train", "data=toy", "eval=none", f"data.data_dir={folder}", "data.generator=null",
        f"training.max_epochs={epochs}", f"training.min_epochs={epochs}", *split,
        "tracking.enabled=false", f"training.accelerator={device}", f"hydra.run.dir={run}",
    ])  # fmt: skip
    if code == 0:
        (run / "trained").touch()


def audit(out: Path, seed: int, arm: str, options: Sequence[str]) -> None:
    """Take down what the audit finds."""
    from lightning_pose.cli.main import main

    folder = out / str(seed)
    runs = [folder / "runs" / name for name in ARMS[arm]]
    if not all((run / "trained").exists() for run in runs):
        return
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(["audit", *map(str, runs), "--csv", str(folder / DATA), "--json", *options])
    if code == 0:
        (folder / f"{arm}.json").write_text(printed.getvalue())


def kind_of(spoilt: dict[str, Any]) -> str:
    """Return the column that a spoilt label is counted in."""
    if spoilt["kind"] == "swap":
        return BELOW if spoilt["keypoint"].endswith("_below") else SIDE
    return NEAR if spoilt["px"] < NEAR_PX else FAR


def report(out: Path, seeds: range) -> str:
    """Return the table."""
    lines = [f"| models | {' | '.join(KINDS)} | right labels suspected |"]
    lines += ["| --- " * (len(KINDS) + 2) + "|"]
    for arm in ARMS:
        found: dict[str, list[bool]] = {kind: [] for kind in KINDS}
        alarms = 0
        for folder in (out / str(seed) for seed in seeds):
            if not (folder / f"{arm}.json").exists():
                continue
            suspects = {
                (one["image"], keypoint)
                for one in json.loads((folder / f"{arm}.json").read_text())
                for keypoint in one["keypoints"]
            }
            wrong = json.loads((folder / SPOILT).read_text())
            for one in wrong:
                found[kind_of(one)].append((one["image"], one["keypoint"]) in suspects)
            alarms += len(suspects - {(one["image"], one["keypoint"]) for one in wrong})
        told = [f"{sum(of)} of {len(of)}" for of in found.values()]
        lines.append(f"| {arm} | {' | '.join(told)} | {alarms} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    args, options = parser.parse_known_args()
    out, seeds = args.out.resolve(), range(args.seeds)
    out.mkdir(parents=True, exist_ok=True)
    runs = dict.fromkeys(name for names in ARMS.values() for name in names)
    stages = (
        (draw_data, [(out, seed) for seed in seeds]),
        (train, [(out, seed, name, args.epochs, args.device) for seed in seeds for name in runs]),
        (audit, [(out, seed, arm, options) for seed in seeds for arm in ARMS]),
    )
    for function, calls in stages:
        run_all(function, calls, workers=args.workers, log=out / "log.txt")
    print(report(out, seeds))


if __name__ == "__main__":
    main()
