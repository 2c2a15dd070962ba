"""Choose the next frames to label: where models disagree or are unsure, and unlike each other.

  litpose suggest outputs/DATE/A session7.mp4 session8.mp4 --n 20 --out to_label
  litpose suggest outputs/DATE/A outputs/DATE/B outputs/DATE/C videos/ --n 20 --out to_label

Several models (of different seeds, say) are better than one: where they disagree, at least one is
wrong. The frames are written as images beside to_label/worklist.csv, which label tools open; once
labelled, `litpose labels merge` takes them into the labels, images and all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import add_opening_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "things", metavar="MODEL... VIDEO...", nargs="+", help="run directories, then videos"
    )
    parser.add_argument("--n", type=int, default=20, help="how many frames, of all videos [20]")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument(
        "--proposals",
        type=float,
        metavar="CONFIDENCE",
        help="fill the worklist with the first model's points above this confidence [left empty]",
    )
    add_opening_options(parser)
    parser.add_argument("--json", action="store_true", help="print the frames as JSON")


def run(args: argparse.Namespace) -> int:
    """Choose, write and print."""
    from lightning_pose.cli.judge.suggesting import suggest

    return suggest(args)
