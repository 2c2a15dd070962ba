"""Upload runs that the tracking store did not take.

litpose track sync             every run in outputs/ and multirun/
litpose track sync RUN...      these, or those below a folder
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("what", choices=["sync"], help="what to do")
    parser.add_argument("folders", metavar="RUN", nargs="*", type=Path, help="run directories")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(args: argparse.Namespace) -> int:
    """Upload; return 1 if a run could not be."""
    from lightning_pose.cli.train.syncing import sync_and_report

    return sync_and_report(args.folders, as_json=args.json)
