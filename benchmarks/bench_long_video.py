"""Does training on hours of unlabelled video cost more memory, or start later, than on a minute?

    python benchmarks/bench_long_video.py [--hours 10] [--rounds 3] [OVERRIDES...]

A toy video of ten seconds (512 x 416, 30 frames a second) is looped by copying its packets into
one MP4 of a minute and one of ``--hours``. Either is then trained on by ``litpose train`` in a
process of its own: heatmap tracker, the loss ``temporal`` from the first
epoch on, OVERRIDES last. Printed are the time from the command to the first step, that of it which
importing took, the peak memory, and the ratios of the medians of all rounds. The frames are larger
than the toy set's: a minute of those would be held in memory, decoded, and cost more than hours.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from films import enlarged, looped

from lightning_pose.data.toy import make_toy_dataset, make_toy_video
from lightning_pose.video.info import probe

SECONDS, FPS, ENLARGED = 10, 30, 2
CHILD = """
import json, resource, sys, time
started = float(sys.argv[1])
import lightning_pose.cli.train.train_app as app
import lightning_pose.cli.commands.train, lightning_pose.config.run, mlflow
from lightning_pose.cli.main import main
found, fit = {"imports_s": time.time() - started}, app.fit
def timed(*args, **kwargs):
    begin = time.time()
    result = fit(*args, **kwargs)
    found["first_step_s"] = begin - started + result.first_step_s
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result
app.fit = timed
code = main(sys.argv[3:])
with open(sys.argv[2], "w") as file:
    json.dump(found, file)
sys.exit(code)
"""


def main() -> None:
    """Make the videos, train on each in turn, and print what it took."""
    options, overrides = parse_options()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        make_toy_dataset(folder / "toy", num_video_frames=30, num_new_video_frames=30)
        short = enlarged_toy_video(folder / "short.mp4")
        lengths = {"a minute": 6, f"{options.hours:g} hours": round(options.hours * 360)}
        videos = {
            length: looped(short, folder / length.replace(" ", "_") / "video.mp4", loops=loops)
            for length, loops in lengths.items()
        }
        measured: dict[str, list[dict[str, float]]] = {length: [] for length in videos}
        for number in range(options.rounds):
            for length, video in videos.items():
                run_dir = folder / f"run{number}_{video.parent.name}"
                found = train(folder / "toy", video.parent, run_dir, overrides)
                print(f"{length:10}", json.dumps({k: round(v, 2) for k, v in found.items()}))
                measured[length].append(found)
    print_ratios(*measured.values())


def parse_options() -> tuple[argparse.Namespace, list[str]]:
    """Return the settings of the command line, and overrides of the training."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where videos and runs lie for the while")
    return parser.parse_known_args()


def enlarged_toy_video(path: Path) -> Path:
    """Write ten seconds of the toy animal, enlarged."""
    small = make_toy_video(path.with_name("small.mp4"), session=7, num_frames=SECONDS * FPS)
    info = probe(small)
    width, height = ENLARGED * info.width, ENLARGED * info.height
    return enlarged(small, path, width=width, height=height, crf=32)


def train(data: Path, videos: Path, run_dir: Path, overrides: list[str]) -> dict[str, float]:
    """Return what a training of two epochs took, in a process of its own."""
    words = [
        "train",
        "data=toy",
        f"data.data_dir={data}",
        f"data.video_dir={videos}",
        "eval=none",
        "model.backbone=efficientnet_lite0",
        "model.losses_to_use=[temporal]",
        "callbacks.anneal_weight.freeze_until_epoch=0",
        "callbacks.anneal_weight.init_val=1.0",
        "dali.base.train.sequence_length=16",
        "training.max_epochs=2",
        "training.unfreezing_epoch=0",
        f"hydra.run.dir={run_dir}",
        *overrides,
    ]
    out = run_dir.with_suffix(".json")
    command = [sys.executable, "-c", CHILD, str(time.time()), str(out), *words]
    done = subprocess.run(command, cwd=data, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"Training on {videos} failed:\n{done.stderr[-2000:]}")
    return json.loads(out.read_text())


def print_ratios(minute: list[dict[str, float]], hours: list[dict[str, float]]) -> None:
    """Print how the medians of the long video compare with those of the minute."""
    for key in ("first_step_s", "peak_mb"):
        short, long = (statistics.median(found[key] for found in part) for part in (minute, hours))
        print(f"{key:12} {short:8.1f} -> {long:8.1f}, ratio {long / short:.3f}")


if __name__ == "__main__":
    main()
