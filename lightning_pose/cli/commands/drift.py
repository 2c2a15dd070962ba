"""Tell whether new videos are like the data a model was made from, without any label.

  litpose drift outputs/DATE/TIME new1.mp4 new2.mp4

Confidence and pose (PCA) errors are set against the run's labelled images that it did not learn
from; jumps against the videos it predicted after training, or those named with --reference. A
video that is unlike them is warned of: label some of its frames before trusting it.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", metavar="MODEL", help="run directory or models:/NAME@alias")
    parser.add_argument("videos", metavar="VIDEO", nargs="+", help="videos, or folders of them")
    parser.add_argument(
        "--reference", nargs="+", default=[], metavar="VIDEO", help="videos that are as usual"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the predictions, also of earlier ones [RUN/video_preds]",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument(
        "--tracking-uri",
        help="where models:/ is looked up [MLFLOW_TRACKING_URI, else ./mlflow.db]",
    )
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")


def run(args: argparse.Namespace) -> int:
    """Predict and judge the videos."""
    from lightning_pose.cli.judge.drifting import judge_drift

    return judge_drift(args)
