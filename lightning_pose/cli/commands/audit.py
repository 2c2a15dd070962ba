"""Find labels that all models contradict: points far off, and left and right exchanged.

  litpose audit outputs/DATE/A outputs/DATE/B outputs/DATE/C
  litpose audit outputs/DATE/A outputs/DATE/B --csv CollectedData.csv --out suspects.csv

A frame is judged by the models that did not learn from it, where there are such: give models that
were trained on other splits (training.rng_seed_data_pt) to have every frame judged. --out writes a
worklist that label tools open; corrected, it comes back with `litpose labels merge`.
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
    parser.add_argument("models", metavar="MODEL", nargs="+", help=MODEL)
    add_csv_option(
        parser,
        "one a view [those of the first model's run]; may be given several times",
    )
    add_image_options(parser)
    parser.add_argument(
        "--factor",
        type=float,
        default=4.0,
        help="suspect is what every model puts so many times the usual distance of the keypoint "
        "away [4]",
    )
    parser.add_argument(
        "--least-px",
        type=float,
        help="what a model is nearer to is never suspect [3 %% of the animal's size]",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the frames as a worklist (csv)"
    )
    add_opening_options(parser)
    parser.add_argument("--json", action="store_true", help="print the suspects as JSON")


def run(args: argparse.Namespace) -> int:
    """Audit and print."""
    from lightning_pose.cli.judge.auditing import audit

    return audit(args)
