"""Tell whether one model errs less than another on the same labelled frames.

  litpose compare outputs/DATE/A outputs/DATE/B
  litpose compare models:/mouse@champion outputs/DATE/B --csv CollectedData_test.csv

Without --csv: the labels the first model was made from. Frames that either model learnt from, or
was chosen by, are left out. The difference is B minus A: below 0, B errs less.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    help_text = "run directory, checkpoint or models:/NAME@alias"
    parser.add_argument("first", metavar="MODEL_A", help=help_text)
    parser.add_argument("second", metavar="MODEL_B", help="the same")
    parser.add_argument("--csv", type=Path, nargs="+", help="label csv; one a view")
    parser.add_argument("--data-dir", type=Path, help="folder the images are relative to")
    parser.add_argument(
        "--bbox-file", type=Path, action="append", default=[], help="csv of boxes of the images"
    )
    parser.add_argument("--out", type=Path, help="also write comparison.json and more here")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument(
        "--tracking-uri",
        help="where models:/ is looked up [MLFLOW_TRACKING_URI, else ./mlflow.db]",
    )
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    from lightning_pose.cli.comparing import compare_and_report

    return compare_and_report(args)
