"""Make a run again, from the code and data it was made with, and say whether it comes out equal.

  litpose reproduce outputs/DATE/TIME
  litpose reproduce models:/mouse@champion --json

RUN is a run directory, a run's id in the tracking store, or models:/NAME@alias. Its commit is
checked out beside the code of today, with the changes of then; its labels, images and videos are
those of today if their hashes agree, else what git and DVC keep of them. The original is never
written to.
Ends with 0 if the two are identical or equal within the tolerance, else with 1
(docs/label_versions.md).
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("run_named", metavar="RUN", help="run directory, run id or models:/...")
    parser.add_argument("--out", type=Path, help="keep the new run directory here")
    parser.add_argument(
        "--tolerance",
        type=float,
        nargs=2,
        metavar=("PX", "SHARE"),
        default=(0.5, 0.05),
        help="what counts as equal: pixels, and the share of an error [0.5 0.05]",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the checked-out code and data, and say where"
    )
    parser.add_argument("--tracking-uri", help="store [MLFLOW_TRACKING_URI, else ./mlflow.db]")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(args: argparse.Namespace) -> int:
    """Train again and compare; return 1 if the two differ."""
    from lightning_pose.cli.versions.reproducing import reproduce

    return reproduce(args)
