"""Check labels and images before anything is trained on them, or draw the toy data.

  litpose prepare my_mouse --out results/data.json
  litpose prepare data/toy --draw toy --labeled 60 --frames 200

The data stays as it is. Drawing leaves a data set that is there already alone, edited labels too.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("data_dir", metavar="DATA_DIR", type=Path, help="folder of labels, images")
    parser.add_argument("--csv", nargs="+", help="label files in it [CollectedData*.csv]")
    parser.add_argument("--out", type=Path, help="also write the numbers here, as JSON")
    parser.add_argument("--draw", choices=["toy"], help="first make this data set, if need be")
    parser.add_argument("--labeled", type=int, default=90, help="labelled frames to draw [90]")
    parser.add_argument("--frames", type=int, default=300, help="frames of video to draw [300]")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn [0]")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")


def run(args: argparse.Namespace) -> int:
    """Draw, check and count."""
    from lightning_pose.cli.versions.preparing import prepare_and_report

    return prepare_and_report(args)
