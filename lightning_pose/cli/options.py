"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.contracts.errors import ConfigError

MODEL = "run directory, checkpoint or models:/NAME@alias"


def add_compute_options(parser: argparse.ArgumentParser) -> None:
    """Add where and in which arithmetic a model runs."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")


def add_opening_options(parser: argparse.ArgumentParser) -> None:
    """Add how a MODEL is opened: where it runs, and where models:/ is looked up."""
    add_compute_options(parser)
    parser.add_argument(
        "--tracking-uri",
        help="where models:/ is looked up [MLFLOW_TRACKING_URI, else ./mlflow.db]",
    )


def add_product_options(parser: argparse.ArgumentParser) -> None:
    """Add which files are made of predictions."""
    parser.add_argument("--format", default="csv", help="csv, h5, parquet; several with commas")
    parser.add_argument("--labeled-video", action="store_true", help="draw the whole video")
    parser.add_argument("--snippet", action="store_true", help="draw the 30 s with most motion")
    parser.add_argument("--confidence", type=float, help="draw keypoints above this [0.9]")
    parser.add_argument("--no-metrics", action="store_true", help="write no metric csv files")
    parser.add_argument("--overwrite", action="store_true", help="make results again")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def formats_of(text: str) -> tuple[str, ...]:
    """Return the names in ``csv, h5``."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def check_batch_size(given: int | None) -> None:
    """Check that a batch has a frame.

    Raises:
        ConfigError: it has none.
    """
    if given is not None and given < 1:
        raise ConfigError(f"--batch-size should be at least 1, got {given}.")


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Add where the images of labels are, and the boxes to cut from them."""
    parser.add_argument("--data-dir", type=Path, help="folder the images are relative to")
    parser.add_argument(
        "--bbox-file",
        type=Path,
        action="append",
        default=[],
        help="csv of boxes of the images [those of the run]; may be given several times",
    )


def add_csv_option(parser: argparse.ArgumentParser, extra: str) -> None:
    """Add the label files a model is judged by: for each set as many as there are views."""
    parser.add_argument(
        "--csv", type=Path, nargs="+", action="append", default=[], help=f"label csv, {extra}"
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the runs to be looked at, their videos, and how pictures of them are drawn."""
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="run directories")
    parser.add_argument(
        "--videos",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders of predicted videos (`litpose predict --out DIR`), beside video_preds/ of "
        "each run",
    )
    add_edge_option(parser)


def add_edge_option(parser: argparse.ArgumentParser) -> None:
    """Add the lines between keypoints in pictures."""
    parser.add_argument(
        "--edge",
        nargs=2,
        action="append",
        default=[],
        metavar="KEYPOINT",
        help="two keypoints to join in pictures; may be given again [neighbours, by the labels]",
    )
