"""Write one HTML page about runs: errors, curves, keypoints, videos, frames, where they came from.

  litpose report outputs/DATE/A outputs/DATE/B --out report.html
  litpose compare outputs/DATE/A outputs/DATE/B --out compared
  litpose report outputs/DATE/A outputs/DATE/B --comparison compared --out report.html

The page needs no other file and no network.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="run directories")
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="[./report.html]")
    parser.add_argument(
        "--comparison", type=Path, metavar="DIR", help="what `litpose compare --out DIR` wrote"
    )
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


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from lightning_pose.cli.reporting import write_report

    return write_report(args)
