"""Look at what models say, picture by picture (FiftyOne), and take what is marked to labels.

  litpose review build outputs/DATE/A outputs/DATE/B --name mouse --launch
  litpose review build outputs/DATE/A outputs/DATE/B --name mouse --videos day1.mp4 --frames 50
  litpose review open mouse
  litpose review export mouse --tag to_label --out worklist/labels.csv

MODEL is a run directory or models:/NAME@alias. Building again under the same name takes new
results in and keeps the tags. docs/fiftyone.md shows the app.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import add_edge_option

LAYOUTS = ("litpose", "dlc", "sleap", "label-studio")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="make a data set of pictures and predictions")
    build.add_argument("models", metavar="MODEL", nargs="+", help="run directory, or models:/...")
    build.add_argument("--name", help="of the data set [name of the data folder]")
    build.add_argument("--names", nargs="+", help="of the models, in their order")
    build.add_argument(
        "--videos",
        type=Path,
        nargs="+",
        metavar="VIDEO",
        help="to choose frames from [all that every model predicted]",
    )
    build.add_argument(
        "--predictions",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help=("folders or tables of further predicted videos, of any of the models"),
    )
    build.add_argument("--frames", type=int, default=20, help="number of frames a video [20]")
    build.add_argument("--data-dir", type=Path, help="where the labelled images are now")
    build.add_argument(
        "--clips",
        type=int,
        default=0,
        metavar="N",
        help=("also N short clips a video around chosen frames, as the data set NAME-clips"),
    )
    add_edge_option(build)
    build.add_argument("--launch", action="store_true", help="open the app when it is built")
    build.add_argument(
        "--tracking-uri", help="where models:/ is looked up [MLFLOW_TRACKING_URI, ./mlflow.db]"
    )
    show = actions.add_parser("open", help="open the app")
    show.add_argument("name", metavar="NAME", help="of the data set")
    export = actions.add_parser("export", help="write marked pictures as a worklist")
    export.add_argument("name", metavar="NAME", help="of the data set")
    export.add_argument(
        "--tag", action="append", help="of the pictures to take; may be repeated [to_label]"
    )
    export.add_argument("--out", type=Path, required=True, help="the worklist, a csv file")
    export.add_argument("--layout", choices=LAYOUTS, default="litpose", help="for which tool")
    export.add_argument(
        "--proposals", metavar="MODEL", help="fill empty points with a model's predictions"
    )
    for one in (build, show):
        one.add_argument("--port", type=int, default=5151, help="of the app [5151]")
        one.add_argument("--address", default="127.0.0.1", help="of the app [127.0.0.1]")
        one.add_argument("--browser", action="store_true", help="open a browser here")
    for one in (build, export):
        one.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(args: argparse.Namespace) -> int:
    """Build, open or export."""
    from lightning_pose.cli.look.reviewing import build, export, open_app

    return {"build": build, "open": open_app, "export": export}[args.action](args)
