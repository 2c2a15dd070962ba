"""Tell how fast a model predicts a video here, and whether decoding or the network sets the pace.

  litpose bench outputs/DATE/TIME video.mp4
  litpose bench outputs/DATE/TIME video.mp4 --compile --json

Every rate is the median of --rounds rounds, after one that does not count.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import MODEL, add_opening_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("video", metavar="VIDEO", type=Path, help="an example, a minute or longer")
    parser.add_argument("--reader", default="auto", help="auto or the name of a video reader")
    parser.add_argument("--batch-size", type=int, help="frames at a time")
    parser.add_argument("--rounds", type=int, default=3, help="[3]")
    parser.add_argument("--compile", action="store_true", help="let torch compile the network")
    add_opening_options(parser)
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from lightning_pose.cli.predict.benching import bench

    return bench(args)
