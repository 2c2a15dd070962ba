"""Write one HTML page about runs: errors, curves, keypoints, comparison, where they came from.

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


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from lightning_pose.cli.comparing import read_comparison
    from lightning_pose.cli.terminal import say
    from lightning_pose.contracts.files import write_text
    from lightning_pose.mlops.report.page import page_of
    from lightning_pose.mlops.report.runs import read_runs

    comparison = read_comparison(args.comparison) if args.comparison else None
    page = page_of(read_runs(args.runs), comparison)
    say(f"report: {write_text(args.out, page)}")
    return 0
