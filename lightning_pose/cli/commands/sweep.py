"""Look at a sweep: how far it is, and what it has found.

  litpose sweep status multirun/loss_weights
  litpose sweep report multirun/loss_weights --out report.html

A sweep is begun, and carried on after whatever stopped it, by `litpose train -m +sweeps=NAME`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

ACTIONS = ("status", "report")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("action", choices=ACTIONS, help="a table here, or one HTML page")
    parser.add_argument("sweep", type=Path, metavar="DIR", help="folder of the sweep")
    parser.add_argument("--out", type=Path, help="file of the report (default: DIR/report.html)")
    parser.add_argument("--json", action="store_true", help="print the status as JSON")


def run(args: argparse.Namespace) -> int:
    """Show the status, or write the report."""
    from lightning_pose.cli.terminal import say
    from lightning_pose.cli.train.sweep_status import say_status
    from lightning_pose.contracts.files import write_text
    from lightning_pose.mlops.sweeps.findings import findings_of
    from lightning_pose.mlops.sweeps.page import REPORT, page_of
    from lightning_pose.mlops.sweeps.study import find_study

    found = findings_of(find_study(args.sweep))
    if args.action == ACTIONS[0]:
        say_status(found, as_json=args.json)
    else:
        say(f"report: {write_text(args.out or args.sweep / REPORT, page_of(found))}")
    return 0
