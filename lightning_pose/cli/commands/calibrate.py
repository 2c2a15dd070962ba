"""Make a model's confidence mean something: the probability of lying near the truth.

  litpose calibrate outputs/DATE/TIME
  litpose calibrate outputs/DATE/TIME --within-px 5
  litpose calibrate best.ckpt --csv CollectedData_more.csv --within-px 5

Fits a rising map (isotonic regression) on the validation frames of the model's run, or on those of
--csv that it was not trained on, and stores it beside the checkpoint. From then on the likelihood
that `litpose predict` writes is the probability of lying within the distance. How well it does is
measured on test frames, which it was not fitted on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import MODEL, add_image_options, add_opening_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "--csv", type=Path, nargs="+", help="labels to fit it on, one file a view [the run's]"
    )
    add_image_options(parser)
    parser.add_argument(
        "--within-px",
        type=float,
        help="distance that counts as near [5 %% of the animal's size]",
    )
    add_opening_options(parser)
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")


def run(args: argparse.Namespace) -> int:
    """Fit, store and print."""
    from lightning_pose.cli.judge.calibrating import calibrate_and_report

    return calibrate_and_report(args)
