"""Which way to read unlabelled video is fastest on this GPU? DALI's readers beside PyAV and torch.

    python benchmarks/bench_readers.py [VIDEO] [--seconds 4] [--threads 4]

VIDEO is by default that of mirror-mouse-example (in LITPOSE_EXAMPLE_DATA or ../shared/data). Every
way gives frames resized to 256 x 256 on the GPU, for (a) sequences of 16 frames at random places
and (b) passes over the whole video in sequences of 16, and runs in a process of its own: one that
fails shows its error and leaves the others be. Printed are the time to the first frames and frames
a second from then on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lightning_pose.ops.resize import resize_frames
from lightning_pose.video.dali_graph import dali_modules
from lightning_pose.video.random_access import SequenceReader
from lightning_pose.video.reader import open_reader
from lightning_pose.video.sequence_pool import SequencePool

LENGTH, SIZE, STARTS = 16, 256, 2000
LIMIT_S = 60
Frames = Iterator[int]


def main() -> None:
    """Measure every way in a process of its own, or the one named."""
    options = parse_options()
    if options.way is not None:
        print(json.dumps(measure(WAYS[options.way], options)))
        return
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"{options.video.name}, {device}, {os.cpu_count()} cores, torch {torch.__version__}")
    for way in WAYS:
        command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=LIMIT_S
            )
        except subprocess.TimeoutExpired:
            print(f"{way:46} did not end within {LIMIT_S} s")
            continue
        if done.returncode:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            print(f"{way:46} failed: {' | '.join(lines[-3:])[-300:]}")
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        print(f"{way:46} first {found['first_s']:5.2f} s, {found['frames_s']:8.0f} frames/s")


def parse_options() -> argparse.Namespace:
    """Return the command line."""
    data = Path(os.environ.get("LITPOSE_EXAMPLE_DATA", "../shared/data"))
    example = data / "mirror-mouse-example" / "videos" / "test_vid.mp4"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path, nargs="?", default=example)
    parser.add_argument("--seconds", type=float, default=4.0, help="measured for each way")
    parser.add_argument("--threads", type=int, default=4, help="where several decode at once")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--way", choices=list(WAYS), help="measure this one and end")
    return parser.parse_args()


def measure(way: Callable[[argparse.Namespace], Frames], options: argparse.Namespace) -> Any:
    """Return the time to the first sequence and the rate of the next ones."""
    begun = time.perf_counter()
    sequences = way(options)
    next(sequences)
    wait(options.device)
    started = time.perf_counter()
    number = 0
    for frames in sequences:
        number += frames
        if time.perf_counter() - started > options.seconds:
            break
    wait(options.device)
    return {
        "first_s": started - begun,
        "frames_s": number / (time.perf_counter() - started),
    }


def wait(device: str) -> None:
    """Return when the GPU, if it is used, has nothing left to do."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def random_starts(video: Path) -> list[int]:
    """Return first frames of sequences, the same for every way."""
    last = SequenceReader(video).num_frames - LENGTH
    return np.random.default_rng(0).integers(0, last + 1, STARTS).tolist()


def file_list(video: Path) -> str:
    """Write the random sequences as a list DALI's readers understand; return its path."""
    lines = [f"{video.resolve()} 0 {start} {start + LENGTH}\n" for start in random_starts(video)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
        file.writelines(lines)
    return file.name


def dali_frames(options: argparse.Namespace, make: Callable[[Any, Any], Any]) -> Frames:
    """Yield how many frames each run of a DALI graph gives; ``make`` returns its video."""
    fn, types, module = dali_modules()
    on_gpu = torch.device(options.device).type == "cuda"
    pipeline = module.Pipeline(
        batch_size=1, num_threads=2, device_id=0 if on_gpu else None, prefetch_queue_depth=2
    )
    with pipeline:
        video = make(fn, types)
        video = video[0] if isinstance(video, (list, tuple)) else video
        pipeline.set_outputs(fn.resize(video, size=(SIZE, SIZE), antialias=True))
    pipeline.build()
    while True:
        (images,) = pipeline.run(torch.cuda.current_stream()) if on_gpu else pipeline.run()
        yield torch.from_dlpack(images[0]).shape[0]


def dali_device(options: argparse.Namespace) -> str:
    """Return what DALI calls the device."""
    return "gpu" if torch.device(options.device).type == "cuda" else "cpu"


def readers_video_random(options: argparse.Namespace) -> Frames:
    """``fn.readers.video``, told the random places."""
    listed = file_list(options.video)
    return dali_frames(
        options,
        lambda fn, _: fn.readers.video(
            device=dali_device(options),
            file_list=listed,
            file_list_frame_num=True,
            sequence_length=LENGTH,
        ),
    )


def readers_video_pass(options: argparse.Namespace) -> Frames:
    """``fn.readers.video`` from the first frame to the last, again and again."""
    return dali_frames(
        options,
        lambda fn, _: fn.readers.video(
            device=dali_device(options),
            filenames=[str(options.video.resolve())],
            sequence_length=LENGTH,
        ),
    )


def experimental_random(options: argparse.Namespace) -> Frames:
    """``fn.experimental.readers.video``, told the random places."""
    listed = file_list(options.video)
    return dali_frames(
        options,
        lambda fn, _: fn.experimental.readers.video(
            device=dali_device(options),
            file_list=listed,
            file_list_format="frames",
            file_list_include_end=False,
            sequence_length=LENGTH,
        ),
    )


def experimental_pass(options: argparse.Namespace) -> Frames:
    """``fn.experimental.readers.video`` from the first frame to the last, again and again."""
    return dali_frames(
        options,
        lambda fn, _: fn.experimental.readers.video(
            device=dali_device(options),
            filenames=[str(options.video.resolve())],
            sequence_length=LENGTH,
        ),
    )


def decoders_random(options: argparse.Namespace) -> Frames:
    """``fn.decoders.video`` of the whole file in memory, told each first frame."""
    starts = itertools.cycle([np.int32(start) for start in random_starts(options.video)])
    return _decoders(options, starts)


def decoders_pass(options: argparse.Namespace) -> Frames:
    """``fn.decoders.video`` of the whole file in memory, sequence after sequence."""
    last = SequenceReader(options.video).num_frames - LENGTH
    starts = itertools.cycle([np.int32(start) for start in range(0, last + 1, LENGTH)])
    return _decoders(options, starts)


def _decoders(options: argparse.Namespace, starts: Iterator[np.int32]) -> Frames:
    data = np.frombuffer(options.video.read_bytes(), dtype=np.uint8)

    def make(fn: Any, types: Any) -> Any:
        decode = getattr(fn.decoders, "video", None) or fn.experimental.decoders.video
        return decode(
            fn.external_source(source=lambda: [data], dtype=types.UINT8, ndim=1),
            device="mixed" if dali_device(options) == "gpu" else "cpu",
            start_frame=fn.external_source(
                source=lambda: [next(starts)], dtype=types.INT32, ndim=0
            ),
            sequence_length=LENGTH,
        )

    return dali_frames(options, make)


def pyav_random(options: argparse.Namespace) -> Frames:
    """PyAV, several threads each with a decoder, then torch on the GPU."""
    first = SequenceReader(options.video)
    readers = [first.another() for _ in range(options.threads)]
    starts = random_starts(options.video)

    def work(number: int) -> Iterator[torch.Tensor]:
        for start in itertools.cycle(starts[number :: options.threads]):
            yield torch.from_numpy(readers[number].read(start, LENGTH))

    with ThreadPoolExecutor(options.threads) as threads:
        streams = [work(number) for number in range(options.threads)]
        waiting = [threads.submit(next, stream) for stream in streams]
        while True:
            for number, stream in enumerate(streams):
                frames = waiting[number].result()
                waiting[number] = threads.submit(next, stream)
                yield on_device(frames, options.device)


def held_random(options: argparse.Namespace) -> Frames:
    """Frames held in memory, decoded (as small videos are in training), then torch."""
    pool = SequencePool([options.video])
    for start in itertools.cycle(random_starts(options.video)):
        yield on_device(torch.from_numpy(pool.read(0, start, LENGTH)), options.device)


def pyav_pass(options: argparse.Namespace) -> Frames:
    """The reader ``pyav`` from the first frame to the last, again and again, then torch."""
    while True:
        for raw in open_reader(options.video, batch_size=LENGTH, device=options.device):
            yield on_device(raw.frames, options.device)


def on_device(frames: torch.Tensor, device: str) -> int:
    """Send frames to the GPU and resize them there; return how many."""
    pinned = frames.pin_memory() if torch.device(device).type == "cuda" else frames
    return len(resize_frames(pinned.to(device, non_blocking=True), SIZE, SIZE))


WAYS: dict[str, Callable[[argparse.Namespace], Frames]] = {
    "random: fn.readers.video": readers_video_random,
    "random: fn.experimental.readers.video": experimental_random,
    "random: fn.decoders.video": decoders_random,
    "random: PyAV in threads, torch": pyav_random,
    "random: held decoded, torch": held_random,
    "whole pass: fn.readers.video": readers_video_pass,
    "whole pass: fn.experimental.readers.video": experimental_pass,
    "whole pass: fn.decoders.video": decoders_pass,
    "whole pass: PyAV, torch": pyav_pass,
}

if __name__ == "__main__":
    main()
