"""Train two trackers on a drawn mouse, predict its video and compare them.

Everything lands in one folder: the data set, two run directories, labelled videos and a tracking
store. The mouse is generated, so the truth is known in every frame of the video.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder [./demo]")
    parser.add_argument("--epochs", type=int, default=60, help="length of each training [60]")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the demo; return 0."""
    from lightning_pose.cli.train.demo_run import run_demo
    from lightning_pose.contracts.errors import ConfigError

    if args.epochs < 1:
        raise ConfigError(f"--epochs should be at least 1, got {args.epochs}.")
    run_demo(args.out.resolve(), epochs=args.epochs, as_json=args.json)
    return 0
