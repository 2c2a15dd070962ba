"""Time the whole command `litpose predict` on a GPU, and what a long film costs in memory.

    python benchmarks/bench_predict_gpu.py VIDEO OUT [--size 1280x1024] [--rounds 3] [--memory]
        [--again 200]

VIDEO is an MP4 whose index names every frame; it is looped ten times by copying its packets, and,
with ``--size``, enlarged first. Trackers with random weights, 17 keypoints and 256 x 256 networks
predict one such film and eight; each command writes csv and metric files and runs in a fork of a
process that has imported everything. What the same command takes on the first 64 frames is start,
and taken off; medians of all rounds. In brackets: the seconds of each round, and the share of the
time in which the network waited for frames. Remarks of the commands are printed as they come. With
``--memory`` VIDEO is also looped a thousand times, and the peaks of the memory of the process and
of the GPU are printed for both lengths. With ``--again`` the command on one film is run that often
first, and what goes wrong is printed, with where each thread was if the process was ended by a
signal.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import av
from films import enlarged, looped

from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.models.build import build_tracker, save_weights

LOOPS, LONG_LOOPS, SHORT, MANY = 10, 1010, 64, 8
PROGRESS = "predicting "
TRACKERS = {
    "heatmap": ("heatmap", "resnet50"),
    "mhcrnn": ("heatmap_mhcrnn", "resnet50"),
    "lite0": ("heatmap", "efficientnet_lite0"),
}
WATCHED = """
import json, resource, sys, threading, time, torch
from lightning_pose.cli.main import main
from lightning_pose.video.nvdec_decoders import DECODERS
used = [0]
def watch():
    while True:
        free, total = torch.cuda.mem_get_info()
        used[0] = max(used[0], total - free)
        time.sleep(0.2)
threading.Thread(target=watch, daemon=True).start()
code = main(sys.argv[2:])
found = {
    "host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "gpu": used[0],
    "held by torch": torch.cuda.max_memory_reserved(),
    "in tensors": torch.cuda.max_memory_allocated(),
    "decoders": len(DECODERS._all),
}
with open(sys.argv[1], "w") as file:
    json.dump(found, file)
sys.exit(code)
"""


def main() -> None:
    """Make models and films, run the commands, print the table."""
    options = parse_options()
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    films = {"as it is": options.video}
    # Elsewhere, as a fork of a process that has started threads to compute cannot compute.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as elsewhere:
        elsewhere.submit(make_models, out).result()
        if options.size:
            width, height = map(int, options.size.split("x"))
            larger = out / "enlarged.mp4"
            making = elsewhere.submit(
                enlarged, options.video, larger, width=width, height=height, crf=23
            )
            films[options.size] = making.result()
    import_everything()
    if options.again:
        try_again(out, options.video, times=options.again)
    for size, film in films.items():
        names = TRACKERS if film is options.video else ["heatmap"]
        for name in names:
            time_commands(out, name, size, film, rounds=options.rounds)
    if options.memory:
        compare_memory(out, options.video)


def make_models(out: Path) -> None:
    """Write checkpoints of trackers with random weights."""
    for name, (kind, backbone) in TRACKERS.items():
        spec = ModelSpec(
            model_type=kind,
            backbone=backbone,
            keypoint_names=tuple(f"k{number}" for number in range(17)),
            image_height=256,
            image_width=256,
        )
        save_weights(build_tracker(spec), out / f"{name}.ckpt")


def parse_options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", help="of a second film, WIDTHxHEIGHT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--again", type=int, default=0, metavar="TIMES")
    return parser.parse_args()


def import_everything() -> None:
    """Import what a prediction imports, without touching the GPU."""
    import lightning_pose.cli.commands.predict
    import lightning_pose.cli.predict.predicting
    import lightning_pose.ops.feature_kernels
    import lightning_pose.ops.resize_kernels
    import lightning_pose.ops.yuv_kernels
    import lightning_pose.video.nvdec_reader  # noqa: F401
    from lightning_pose.contracts import registry

    for known in (registry.BACKBONES, registry.TRACKERS, registry.READERS):
        known.names()


def try_again(out: Path, video: Path, *, times: int) -> None:
    """Print how often a command on one film fails, and how."""
    film = looped(video, out / "again" / "v.mp4", loops=LOOPS)
    failed = 0
    for number in range(times):
        _, code, told = attempt(out, "heatmap", film.parent)
        if code:
            failed += 1
            print(f"Number {number} ended with {code}:\n{told}", flush=True)
        if (number + 1) % 10 == 0 or number + 1 == times:
            print(f"{failed} of {number + 1} commands failed.", flush=True)
    shutil.rmtree(film.parent)


def time_commands(out: Path, model: str, size: str, film: Path, *, rounds: int) -> None:
    """Print what one film and eight take, start taken off."""
    folder = out / f"{model}_{size.replace(' ', '_')}"
    short = looped(film, folder / "short" / "v.mp4", loops=1, frames=SHORT)
    one = looped(film, folder / "one" / "v.mp4", loops=LOOPS)
    for number in range(MANY):
        (folder / "many").mkdir(exist_ok=True)
        shutil.copyfile(one, folder / "many" / f"v{number}.mp4")
    with av.open(str(one)) as container:
        frames = container.streams.video[0].frames
    command(out, model, short.parent)  # kernels are compiled once
    start = statistics.median(command(out, model, short.parent) for _ in range(rounds))
    for what, videos in (("one", 1), ("many", MANY)):
        took, runs = [], []
        for _ in range(rounds):
            took.append(command(out, model, folder / what))
            (waited,) = re.findall(r"(\d+%) of the time waiting", (out / "stdout.txt").read_text())
            runs.append(f"{took[-1]:.2f} {waited}")
        whole = statistics.median(took)
        beyond = whole - start
        rate = f"{videos * frames / beyond:.0f} frames/s" if beyond > 0 else "no slower than start"
        print(
            f"{model:8} {size:10} {videos} x {frames} frames: start {start:.2f} s, whole "
            f"{whole:.2f} s ({', '.join(runs)}), {rate}",
            flush=True,
        )
    shutil.rmtree(folder)


def command(out: Path, model: str, videos: Path) -> float:
    """Return the seconds that a prediction took; print its remarks."""
    took, code, told = attempt(out, model, videos)
    if code:
        raise SystemExit(f"{told}\nThe prediction of {videos} ended with {code}.")
    for line in told.splitlines():
        if not line.startswith(PROGRESS):
            print(line, flush=True)
    return took


def attempt(out: Path, model: str, videos: Path) -> tuple[float, int, str]:
    """Predict in a fork of this process; return seconds, exit code and what it wrote on stderr."""
    results = out / "results"
    shutil.rmtree(results, ignore_errors=True)
    words = ["predict", str(out / f"{model}.ckpt"), str(videos), "--out", str(results), "--debug"]
    before = time.perf_counter()
    child = os.fork()
    if child == 0:
        run_quietly(words, out)
    _, status = os.waitpid(child, 0)
    took = time.perf_counter() - before
    return took, os.waitstatus_to_exitcode(status), (out / "stderr.txt").read_text()


def run_quietly(words: list[str], out: Path) -> None:
    """Run a command and end the process; what it prints goes into files."""
    from lightning_pose.cli.main import main as litpose

    for stream in ("stdout", "stderr"):
        file = os.open(out / f"{stream}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, getattr(sys, stream).fileno())
    faulthandler.enable()
    code = litpose(words)
    sys.stdout.flush()
    os._exit(code)


def compare_memory(out: Path, video: Path) -> None:
    """Print the peaks of memory for two lengths of one film."""
    peaks: list[dict[str, int]] = []
    for loops in (LOOPS, LONG_LOOPS):
        film = looped(video, out / "film" / "v.mp4", loops=loops)
        found = out / "peaks.json"
        words = ["predict", str(out / "heatmap.ckpt"), str(film), "--out", str(out / "results")]
        code = [sys.executable, "-c", WATCHED, str(found), *words, "--overwrite"]
        subprocess.run(code, check=True, stdout=subprocess.DEVNULL)
        peaks.append(json.loads(found.read_text()))
    for what, short in peaks[0].items():
        long = peaks[1][what]
        if what == "decoders":
            print(f"{what:14} {short:8} -> {long:8}")
            continue
        print(f"{what:14} {short / 2**20:8.0f} -> {long / 2**20:8.0f} MB, {long / short - 1:+.1%}")


if __name__ == "__main__":
    main()
