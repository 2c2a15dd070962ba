"""Measure a trained model on labelled frames, with intervals.

Without --csv: the labels the model was made from, by training, validation and test set. MODEL is
a run directory, a checkpoint file (which needs --csv) or a registered model, models:/NAME@alias.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "model", metavar="MODEL", help="run directory, checkpoint or models:/NAME@alias"
    )
    parser.add_argument("--csv", type=Path, nargs="+", help="label csv; one a view")
    parser.add_argument("--data-dir", type=Path, help="folder the images are relative to")
    parser.add_argument(
        "--bbox-file",
        type=Path,
        action="append",
        default=[],
        help="csv of boxes of the images [those of the run]; may be given several times",
    )
    parser.add_argument("--out", type=Path, help="also write predictions and metric files here")
    parser.add_argument("--scores", type=Path, help="also write the few main numbers here (JSON)")
    parser.add_argument(
        "--by-keypoint", type=Path, help="also write the errors of held-out keypoints here (csv)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument(
        "--tracking-uri",
        help="where models:/ is looked up [MLFLOW_TRACKING_URI, else ./mlflow.db]",
    )
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the numbers."""
    from lightning_pose.cli.evaluating import evaluate_and_report

    return evaluate_and_report(args)
