"""Print a commented configuration to copy for your own data.

litpose config template > my_mouse.yaml
litpose train --config-path . --config-name my_mouse
"""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("what", choices=["template"], help="what to print")


def run(args: argparse.Namespace) -> int:
    """Print the template."""
    from lightning_pose.cli.terminal import say
    from lightning_pose.config.template import template

    say(template())
    return 0
