"""Measure a trained model on labelled frames, with intervals.

Without --csv: the labels the model was made from, by training, validation and test set. MODEL is
a run directory, a checkpoint file (which needs --csv) or a registered model, models:/NAME@alias.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import MODEL, add_image_options, add_opening_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("--csv", type=Path, nargs="+", help="label csv; one a view")
    add_image_options(parser)
    parser.add_argument("--out", type=Path, help="also write predictions and metric files here")
    parser.add_argument("--scores", type=Path, help="also write the few main numbers here (JSON)")
    parser.add_argument(
        "--by-keypoint", type=Path, help="also write the errors of held-out keypoints here (csv)"
    )
    add_opening_options(parser)
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the numbers."""
    from lightning_pose.cli.judge.evaluating import evaluate_and_report

    return evaluate_and_report(args)
