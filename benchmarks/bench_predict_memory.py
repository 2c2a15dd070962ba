"""What a long video costs in memory on a CPU: the whole command, ten times as many frames.

    python benchmarks/bench_predict_memory.py [--frames 10000,100000] [--rounds 1]

The toy video is looped by copying its packets. A tracker with random weights, kept small
(resnet18, 64 x 64, one keypoint) so that frames go through quickly, predicts each length in a
process of its own, with csv and metric files. Printed are the peaks of its memory, and, of one on
a single loop, what is there whatever the length.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from films import looped

from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.data.toy import make_toy_video
from lightning_pose.models.build import build_tracker, save_weights

LOOP = 500  # frames
HEADER = 3  # rows
COMMAND = "import sys; from lightning_pose.cli.main import main; sys.exit(main(sys.argv[1:]))"


def main() -> None:
    """Make the films, predict each, print the peaks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", default="10000,100000")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    lengths = [int(frames) for frames in options.frames.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = small_model(folder / "small.ckpt")
        toy = make_toy_video(folder / "toy.mp4", session=7, num_frames=LOOP)
        for frames in [LOOP, *lengths * options.rounds]:
            film = looped(toy, folder / "v.mp4", loops=frames // LOOP)
            peak, took = predict(model, film, folder / "out")
            rows = count_rows(folder / "out" / "v.csv")
            print(f"{frames:8} frames: {rows} rows, {peak / 1e6:.0f} MB, {took:.1f} s", flush=True)


def small_model(path: Path) -> Path:
    """Write a tracker with random weights."""
    spec = ModelSpec(
        model_type="heatmap",
        backbone="resnet18",
        keypoint_names=("point",),
        image_height=64,
        image_width=64,
    )
    save_weights(build_tracker(spec), path)
    return path


def predict(model: Path, film: Path, out: Path) -> tuple[int, float]:
    """Return the peak of the memory of a prediction's process, in bytes, and its seconds."""
    words = ["predict", str(model), str(film), "--out", str(out), "--device", "cpu", "--overwrite"]
    told = out.with_suffix(".txt")
    before = time.perf_counter()
    with told.open("w") as file:
        child = subprocess.Popen([sys.executable, "-c", COMMAND, *words], stdout=file, stderr=file)
        _, status, usage = os.wait4(child.pid, 0)
    took = time.perf_counter() - before
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"Predicting {film} failed:\n{told.read_text()[-2000:]}")
    return usage.ru_maxrss * 1024, took


def count_rows(path: Path) -> int:
    """Return how many frames a csv file has."""
    with path.open(newline="") as file:
        return sum(1 for _ in csv.reader(file)) - HEADER


if __name__ == "__main__":
    main()
