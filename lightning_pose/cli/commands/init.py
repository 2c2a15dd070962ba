"""Make a project folder from labels, images and videos: data, configuration, git and DVC.

  litpose init my_mouse --labels CollectedData.csv --videos videos/
  litpose init my_mouse --labels top.csv side.csv --views top side --images frames/ --link

The images that the labels name, and their neighbours, are found beside the csv or below --images.
Data is copied, unless with --move or --link; nothing that is there is overwritten. In the new
folder `litpose train` and `dvc repro` run as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="the project; new or empty")
    parser.add_argument(
        "--labels", type=Path, nargs="+", required=True, metavar="CSV", help="one a view"
    )
    parser.add_argument("--views", nargs="+", default=[], help="names of the views, if several")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="folder image paths start from [the csv's]"
    )
    parser.add_argument("--videos", type=Path, metavar="DIR", help="folder of videos")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--copy", dest="how", action="store_const", const="copy", default="copy")
    how.add_argument("--move", dest="how", action="store_const", const="move")
    how.add_argument(
        "--link",
        dest="how",
        action="store_const",
        const="link",
        help="link to images and videos where they are; labels are copied",
    )
    parser.add_argument("--no-git", action="store_true", help="DVC alone, without git")


def run(args: argparse.Namespace) -> int:
    """Make the project."""
    from lightning_pose.cli.versions.initialising import init_and_report

    return init_and_report(args)
