"""Write one HTML page about runs: errors, curves, keypoints, videos, frames, where they came from.

  litpose report outputs/DATE/A outputs/DATE/B --out report.html
  litpose compare outputs/DATE/A outputs/DATE/B --out compared
  litpose report outputs/DATE/A outputs/DATE/B --comparison compared --out report.html

The page needs no other file and no network.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import add_run_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_run_options(parser)
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="[./report.html]")
    parser.add_argument(
        "--comparison", type=Path, metavar="DIR", help="what `litpose compare --out DIR` wrote"
    )


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from lightning_pose.cli.look.reporting import write_report

    return write_report(args)
