"""Look at runs in the browser: errors, model against model, traces of videos and their frames.

  litpose app outputs/DATE/A outputs/DATE/B
  litpose app outputs/DATE/A --videos predictions --port 8600

The app is served to this machine alone. From another one: ssh -L 8501:127.0.0.1:8501 MACHINE
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="run directories")
    parser.add_argument(
        "--videos",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders of predicted videos (`litpose predict --out DIR`), beside video_preds/ of "
        "each run",
    )
    parser.add_argument(
        "--edge",
        nargs=2,
        action="append",
        default=[],
        metavar="KEYPOINT",
        help="two keypoints to join in pictures; may be given again",
    )
    parser.add_argument("--port", type=int, default=8501, help="[8501]")


def run(args: argparse.Namespace) -> int:
    """Serve the app."""
    from lightning_pose.cli.showing import serve

    return serve(args)
