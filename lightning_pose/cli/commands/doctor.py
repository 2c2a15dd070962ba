"""Tell what works on this machine, and the one-line cure for what does not."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the findings; return 1 if something is missing without which commands fail."""
    from lightning_pose.cli.doctor.finding import MISSING
    from lightning_pose.cli.doctor.health import examine
    from lightning_pose.cli.terminal import say, say_json

    findings = []
    for finding in examine(Path.cwd()):
        findings.append(finding)
        if not args.json:
            say(f"{finding.state:8} {finding.name:18} {finding.detail}")
            if finding.cure:
                say(f"{'':8} {'':18} -> {finding.cure}")
    if args.json:
        say_json([dataclasses.asdict(finding) for finding in findings])
    return int(any(finding.state == MISSING for finding in findings))
