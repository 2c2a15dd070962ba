"""Time a labelled video: decoding alone, drawing alone, encoding alone, and all of it together.

    python benchmarks/bench_overlay.py VIDEO [--frames 1000] [--keypoints 17] [--rounds 3]

Each row is the best of several rounds, because other work on the machine only ever slows a round
down. Processor time, of all threads, is given beside; other work lengthens it least. Together the
parts can be no faster than the slowest of them, and on few cores no faster than their sum.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.video.decode import Decoder, count_frames
from lightning_pose.video.overlay import ENCODING, Painter, draw_labeled_video, keypoint_colors
from lightning_pose.video.writer import VideoWriter

HELD = 200  # pictures kept in memory, to be drawn into and encoded over and over


def main() -> None:
    """Print one line for each part of the work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=1000, help="of the video, at most")
    parser.add_argument("--keypoints", type=int, default=17)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    total = count_frames(options.video)
    frames = min(options.frames, total)
    pictures = [picture.pixels.copy() for picture in Decoder(options.video).pictures(range(HELD))]
    height, width = pictures[0].shape[:2]
    predictions = random_walk(total, options.keypoints, height=height, width=width)
    print(
        f"{options.video.name}, {width}x{height}, {frames} frames, {options.keypoints} keypoints, "
        f"{len(os.sched_getaffinity(0))} cores"
    )
    print(f"{'part':28} {'fps':>8} {'cpu ms/frame':>13}")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mp4"
        parts: dict[str, Callable[[], object]] = {
            "decode": lambda: decode(options.video, frames),
            "decode to RGB": lambda: decode_to_rgb(options.video, frames),
            "draw": lambda: draw(pictures, predictions, frames),
            "convert and encode": lambda: encode(pictures, out, frames),
            "labelled video, end to end": lambda: draw_labeled_video(
                options.video, out, predictions, frames=range(frames)
            ),
        }
        for name, work in parts.items():
            line(name, work, frames, options.rounds)


def random_walk(total: int, keypoints: int, *, height: int, width: int) -> Predictions:
    """Return keypoints that walk about in the middle of the picture."""
    rng = np.random.default_rng(0)
    start = rng.uniform(0.2, 0.8, (1, keypoints, 2)) * [width, height]
    return Predictions(
        xy_img=start + np.cumsum(rng.normal(0, 0.5, (total, keypoints, 2)), axis=0),
        confidence=np.ones((total, keypoints)),
        keypoint_names=tuple(f"keypoint{number}" for number in range(keypoints)),
        frame_ids=np.arange(total),
    )


def line(name: str, work: Callable[[], object], frames: int, rounds: int) -> None:
    """Print frames per second of the best round, and its processor time per frame."""
    best_s, best_cpu_s = float("inf"), float("inf")
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        best_s = min(best_s, time.perf_counter() - wall)
        best_cpu_s = min(best_cpu_s, time.process_time() - cpu)
    print(f"{name:28} {frames / best_s:8.1f} {1000 * best_cpu_s / frames:13.2f}", flush=True)


def decode(video: Path, frames: int) -> None:
    """Decode the frames and leave them as they are stored."""
    for _ in itertools.islice(Decoder(video).frames(), frames):
        pass


def decode_to_rgb(video: Path, frames: int) -> None:
    """Decode the frames and make RGB of them."""
    for _ in Decoder(video).pictures(range(frames)):
        pass


def draw(pictures: list[np.ndarray], predictions: Predictions, frames: int) -> None:
    """Draw keypoints and frame number into copies of the pictures."""
    height, width = pictures[0].shape[:2]
    colors = keypoint_colors(len(predictions.keypoint_names), "cool")
    painter = Painter.for_size(height, width, colors=colors)
    for number in range(frames):
        picture = pictures[number % len(pictures)].copy()
        painter.draw(picture, predictions.xy_img[number], label=str(number))


def encode(pictures: list[np.ndarray], out: Path, frames: int) -> None:
    """Encode the pictures as a labelled video is."""
    height, width = pictures[0].shape[:2]
    with VideoWriter(out, fps=30, width=width, height=height, **ENCODING) as writer:
        for number in range(frames):
            writer.write(pictures[number % len(pictures)])


if __name__ == "__main__":
    main()
