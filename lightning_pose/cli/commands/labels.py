"""Compare two versions of labels, and merge corrections into labels.

  litpose labels diff CollectedData.csv@HEAD~1 CollectedData.csv --pictures moved.html
  litpose labels merge CollectedData.csv to_label.csv --in-place

A version is a label file (csv or h5), or FILE@REVISION: the file as it was at a revision of the
git repository it lies in, kept by git or DVC. A worklist is a label csv, with what the labels were
when it was made in a file beside it (docs/label_versions.md).
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    _configure_diff(actions.add_parser("diff", help="what differs between two versions of labels"))
    _configure_merge(actions.add_parser("merge", help="take corrections into the labels"))


def run(args: argparse.Namespace) -> int:
    """Compare or merge."""
    from lightning_pose.cli.versions.label_commands import diff, merge

    return {"diff": diff, "merge": merge}[args.action](args)


def _configure_diff(parser: argparse.ArgumentParser) -> None:
    parser.description = "Tell which frames and keypoints differ between two versions of labels."
    parser.add_argument("before", metavar="A", help="label file, or FILE@REVISION")
    parser.add_argument("after", metavar="B", help="label file, or FILE@REVISION")
    parser.add_argument(
        "--threshold", type=float, default=0.01, metavar="PX", help="less is no move [0.01]"
    )
    parser.add_argument(
        "--rename", action="append", default=[], metavar="OLD=NEW", help="a renamed keypoint"
    )
    parser.add_argument(
        "--no-rename", action="store_true", help="keypoints of one version only are new or gone"
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="FILE", help="draw the changed frames: .png or .html"
    )
    parser.add_argument("--data-dir", type=Path, help="folder of the images [that of B]")
    parser.add_argument("--json", action="store_true", help="print all changes as JSON")


def _configure_merge(parser: argparse.ArgumentParser) -> None:
    parser.description = "Take corrected and new labels from a worklist into the labels."
    parser.add_argument("labels", metavar="LABELS", type=Path, help="label file")
    parser.add_argument("worklist", metavar="WORKLIST", type=Path, help="worklist, csv or h5")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="FILE", help="csv to write")
    where.add_argument(
        "--in-place",
        action="store_true",
        help="write LABELS; the file of before is kept beside it",
    )
    prefer = parser.add_mutually_exclusive_group()
    prefer.add_argument("--theirs", action="store_true", help="in a conflict take the worklist's")
    prefer.add_argument("--ours", action="store_true", help="in a conflict keep the labels'")
    parser.add_argument(
        "--untouched",
        action="store_true",
        help="also take frames that came back just as they were handed out",
    )
    parser.add_argument("--by", metavar="NAME", help="who merges [the user]")
    parser.add_argument("--data-dir", type=Path, help="folder of the images [that of LABELS]")
    parser.add_argument("--json", action="store_true", help="print all changes as JSON")
