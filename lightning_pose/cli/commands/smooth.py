"""Make one set of predictions out of those of several models, smoothed over time (EKS).

  litpose smooth RUN1 RUN2 RUN3 --out smoothed
  litpose smooth preds/1 preds/2 preds/3 --out smoothed --videos videos/ --labeled-video
  litpose smooth preds/1/mouse.csv preds/2/mouse.csv --out smoothed

PREDICTIONS are folders, one a model, in which predictions of the same video have the same name (of
a run directory its video_preds/), or files of one name. Of each keypoint the members' median is
smoothed, the more the further the members are apart (ensemble Kalman smoother). Results that are
there already, made from the same predictions, are not made again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import add_product_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "predictions", metavar="PREDICTIONS", nargs="+", type=Path, help="of several models"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument(
        "--videos",
        nargs="+",
        default=[],
        metavar="VIDEO",
        help="smooth predictions of these videos or folders only [all that there are]",
    )
    parser.add_argument(
        "--model", help="whose metrics are computed [that of the first predictions]"
    )
    parser.add_argument(
        "--engine",
        default="litpose",
        help="litpose, or eks: the package ensemble-kalman-smoother [litpose]",
    )
    add_product_options(parser)


def run(args: argparse.Namespace) -> int:
    """Smooth every video; return 1 if one failed."""
    from lightning_pose.cli.predict.smoothing import smooth_and_report

    return smooth_and_report(args)
