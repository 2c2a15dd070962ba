"""Tell what a file, model or run was made from, and what was made from it.

  litpose lineage predictions/day1_labeled.mp4           its predictions, model, run, labels, code
  litpose lineage models:/mouse@champion --json
  litpose lineage CollectedData.csv --down               all that was made from this version
  litpose lineage outputs/DATE/TIME --picture run.svg

X is a predictions or metric table, a labelled video, metrics.json, a checkpoint, a run directory,
the folder of a sweep, models:/NAME@alias, review:NAME, the id of a run (ours or MLflow's), labels,
a video, or the hash of one of them. A file that is no longer what it was when it was made, or
used, is marked (docs/lineage.md).
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("thing", metavar="X", help="a file, folder, model, run id or hash")
    parser.add_argument(
        "--down", action="store_true", help="what was made from it, not what it was made from"
    )
    parser.add_argument(
        "--in",
        dest="folders",
        metavar="DIR",
        type=Path,
        nargs="+",
        help="folders to search for runs and results [outputs, multirun, the current project]",
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also draw it: .svg or .png")
    parser.add_argument("--tracking-uri", help="store [MLFLOW_TRACKING_URI, else ./mlflow.db]")
    parser.add_argument("--json", action="store_true", help="print the tree as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the tree."""
    from lightning_pose.cli.versions.tracing import trace

    return trace(args)
