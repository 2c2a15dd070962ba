"""Look at runs in the browser: errors, model against model, traces of videos and their frames.

  litpose app outputs/DATE/A outputs/DATE/B
  litpose app outputs/DATE/A --videos predictions --port 8600

The app is served to this machine alone. From another one: ssh -L 8501:127.0.0.1:8501 MACHINE
"""

from __future__ import annotations

import argparse

from lightning_pose.cli.options import add_run_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_run_options(parser)
    parser.add_argument("--port", type=int, default=8501, help="[8501]")


def run(args: argparse.Namespace) -> int:
    """Serve the app."""
    from lightning_pose.cli.look.showing import serve

    return serve(args)
