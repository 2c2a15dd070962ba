"""Tell whether videos are fit to be predicted, and repair copies of those that are not quite.

  litpose preflight videos/
  litpose preflight mouse1.avi mouse2.mp4 --fix repaired/

VIDEO is a video, a folder of videos or a list of them (.txt, one path a line). Every frame is
decoded once, to be counted; the result is remembered by the content of the file. --fix writes a
copy of each video with problems, of the same frames at a constant rate, and compares it with the
source, which is never touched. The exit code is 1 if a video cannot be predicted.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("videos", metavar="VIDEO", nargs="+", help="what to look at")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--fix", type=Path, metavar="DIR", help="write repaired copies here")
    either.add_argument("--quick", action="store_true", help="read headers only, count no frames")
    parser.add_argument("--again", action="store_true", help="count though it was done before")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")


def run(args: argparse.Namespace) -> int:
    """Look at every video; return 1 if one cannot be predicted, or not be repaired."""
    from lightning_pose.cli.predict.preflighting import preflight_and_report

    return preflight_and_report(args)
