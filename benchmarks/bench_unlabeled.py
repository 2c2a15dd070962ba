"""What unlabelled video costs: start-up and memory by length, decoding, and making network input.

A minute of H.264 is made once (256 x 256, 30 frames a second, a key frame every 250) and looped by
copying its packets, so that ten hours take seconds to make. Every length runs in a process of its
own, whose peak memory is that of its length alone.

    python benchmarks/bench_unlabeled.py --hours 10 --folder /tmp/bench
    python benchmarks/bench_unlabeled.py --parts VIDEO

The second form compares, in turns, the two engines that make network input (16 frames to 256 x 256
and 128 x 128), and reading sequences by one, two and four threads.
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import torch
from films import looped

from lightning_pose.contracts.batches import DataSpec
from lightning_pose.data.unlabeled import UnlabeledLoader
from lightning_pose.data.unlabeled.changes import draw_change
from lightning_pose.video.dali_graph import DaliSequenceInput
from lightning_pose.video.random_access import SequenceReader
from lightning_pose.video.sequence_input import TorchSequenceInput

SIZE, FPS, MINUTE = 256, 30, 60 * 30
SEQUENCE = 16


def main() -> None:
    """Print what was measured as JSON lines."""
    arguments = parse_arguments()
    if arguments.parts is not None:
        compare_engines(arguments.parts, device=arguments.device)
        compare_threads(arguments.parts)
        return
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure, device=arguments.device)))
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    minute = make_minute(arguments.folder / "minute.mp4")
    videos = [minute]
    if arguments.hours:
        loops = round(arguments.hours * 60)
        suffixes = ("mp4", "mkv")
        for path in (arguments.folder / f"long.{suffix}" for suffix in suffixes):
            videos.append(path if path.exists() else looped(minute, path, loops=loops))
    for video in videos:
        command = [sys.executable, __file__, "--measure", str(video), "--device", arguments.device]
        subprocess.run(command, check=True)


def parse_arguments() -> argparse.Namespace:
    """Return the settings of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=0.0, help="length of the looped video")
    parser.add_argument("--folder", type=Path, default=Path("bench_unlabeled"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--parts", type=Path, help="compare ways to do the parts of the work")
    parser.add_argument("--measure", type=Path, help="measure this video and end")
    return parser.parse_args()


def make_minute(path: Path) -> Path:
    """Write a minute of textured ground on which patches move."""
    if path.exists():
        return path
    random = np.random.default_rng(0)
    ground = random.integers(60, 200, (SIZE // 8, SIZE // 8, 3)).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "20"})
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(MINUTE):
            picture = ground + random.normal(0, 4, ground.shape)
            for patch in range(6):
                angle = number / 40 + patch
                y, x = (np.array([np.sin(angle), np.cos(angle * 1.3)]) * 100 + 118).astype(int)
                picture[y : y + 20, x : x + 20] = 30 + 35 * patch
            frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def measure(video: Path, *, device: str) -> dict[str, object]:
    """Return start-up, memory, and times of the parts of a batch."""
    torch.set_num_threads(1)
    spec = DataSpec(height=SIZE, width=SIZE)
    start = time.perf_counter()
    loader = UnlabeledLoader(
        [(video,)],
        spec=spec,
        sequence_length=SEQUENCE,
        steps_per_epoch=40,
        seed=0,
        device=device,
    )
    batches = iter(loader)
    next(batches)
    started_s = time.perf_counter() - start
    first = time.perf_counter()
    number = sum(1 for _ in batches)
    loader_ms = (time.perf_counter() - first) / number * 1e3
    reader = SequenceReader(video)
    starts = np.random.default_rng(0).integers(0, reader.num_frames - SEQUENCE, 40)
    if video.stem == "long":  # after minute 10
        starts = np.random.default_rng(0).integers(10 * MINUTE, reader.num_frames - SEQUENCE, 40)
    decode_ms = timed_ms(lambda number: reader.read(int(starts[number % 40]), SEQUENCE), 40)
    frames = torch.from_numpy(reader.read(int(starts[0]), SEQUENCE))
    change = draw_change(spec, seed=0, epoch=0, step=0, rank=0, view=0)
    engine, twin = DaliSequenceInput(spec, device=device), TorchSequenceInput(spec, device=device)
    return {
        "video": video.name,
        "hours": round(reader.num_frames / FPS / 3600, 3),
        "bytes": video.stat().st_size,
        "exact": reader.exact,
        "first_batch_s": round(started_s, 2),
        "decode_ms": round(decode_ms, 1),
        "dali_ms": round(timed_ms(lambda _: engine(frames, change), 10), 1),
        "torch_ms": round(timed_ms(lambda _: twin(frames, change), 10), 1),
        "batch_ms": round(loader_ms, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def compare_engines(video: Path, *, device: str) -> None:
    """Print the median time of either engine, taken in turns, and their ratio."""
    frames = torch.from_numpy(SequenceReader(video).read(0, SEQUENCE))
    for size in (256, 128):
        spec = DataSpec(height=size, width=size)
        change = draw_change(spec, seed=0, epoch=0, step=0, rank=0, view=0)
        engines = {
            "dali": DaliSequenceInput(spec, device=device),
            "torch": TorchSequenceInput(spec, device=device),
        }
        times: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(30):
            for name, engine in engines.items():
                work = functools.partial(engine, frames, change)
                times[name].append(timed_ms(lambda _, work=work: work(), 1))
        dali_ms, torch_ms = (statistics.median(times[name]) for name in ("dali", "torch"))
        ratio = statistics.median(
            dali / twin for dali, twin in zip(times["dali"], times["torch"], strict=True)
        )
        print(f"to {size}: dali {dali_ms:.1f} ms, torch {torch_ms:.1f} ms, ratio {ratio:.2f}")


def compare_threads(video: Path) -> None:
    """Print how many random sequences a second one, two and four threads read."""
    first = SequenceReader(video)
    starts = np.random.default_rng(0).integers(0, first.num_frames - SEQUENCE, 40).tolist()
    rates: dict[int, list[float]] = {1: [], 2: [], 4: []}
    for _ in range(5):
        for number, found in rates.items():
            readers = [first.another() for _ in range(number)]

            def work(place: int, readers: list[SequenceReader] = readers) -> None:
                for start in starts[place :: len(readers)]:
                    readers[place].read(start, SEQUENCE)

            begun = time.perf_counter()
            with ThreadPoolExecutor(number) as threads:
                list(threads.map(work, range(number)))
            found.append(len(starts) / (time.perf_counter() - begun))
    for number, found in rates.items():
        print(f"{number} threads: {statistics.median(found):.1f} sequences/s")


def timed_ms(work: Callable[[int], object], times: int) -> float:
    """Return the mean time of ``work(number)``, after one for warming up."""
    work(0)
    synchronize()
    start = time.perf_counter()
    for number in range(times):
        work(number)
    synchronize()
    return (time.perf_counter() - start) / times * 1e3


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
