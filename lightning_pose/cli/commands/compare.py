"""Tell whether one model errs less than another on the same labelled frames.

  litpose compare outputs/DATE/A outputs/DATE/B
  litpose compare models:/mouse@champion outputs/DATE/B --csv CollectedData_test.csv
  litpose compare --a RUN RUN RUN --b RUN RUN RUN

Two models: whether these two trained models differ. Three runs a side or more, which differ in
their seeds alone: whether one configuration is better. Without --csv: the labels the first model
was made from, and those of new sessions beside them. Frames that any model learnt from, or was
chosen by, are left out. The difference is B minus A: below 0, B errs less.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import (
    MODEL,
    add_csv_option,
    add_image_options,
    add_opening_options,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("models", metavar="MODEL", nargs="*", help=f"two models: {MODEL}")
    for side in ("a", "b"):
        parser.add_argument(
            f"--{side}",
            metavar="RUN",
            nargs="+",
            default=[],
            help=f"runs of configuration {side.upper()} with different seeds, three or more",
        )
    add_csv_option(
        parser,
        "one a view; may be given several times, and each set is told by itself",
    )
    add_image_options(parser)
    parser.add_argument(
        "--within-px",
        type=float,
        help="what counts as right when the confidence is judged [as the model is calibrated, "
        "else 5 %% of the animal's size]",
    )
    parser.add_argument("--out", type=Path, help="also write comparison.json and more here")
    add_opening_options(parser)
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    from lightning_pose.cli.judge.comparing import compare_and_report

    return compare_and_report(args)
