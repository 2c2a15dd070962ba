"""Predict videos, image folders or a label csv with a trained model.

  litpose predict outputs/DATE/TIME videos/ --labeled-video
  litpose predict outputs/DATE/TIME mouse1.mp4 mouse2.avi --out preds --format csv,parquet
  litpose predict outputs/DATE/TIME CollectedData.csv

MODEL is a run directory, a checkpoint file or a registered model, models:/NAME@champion. INPUT is
a video, a folder of videos, a folder of images, a label csv, or a manifest (.txt, one path a
line). Results that are there already, made by the same model from the same input, are not
made again. Stopped or killed, the same command goes on where it was; started several times, each
input is predicted by one of the workers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import (
    MODEL,
    add_opening_options,
    add_product_options,
    check_batch_size,
    formats_of,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="what to predict")
    parser.add_argument("--out", type=Path, help="folder of the results [MODEL/video_preds]")
    add_product_options(parser)
    parser.add_argument(
        "--raw-confidence",
        action="store_true",
        help="write the network's own confidence though the model is calibrated",
    )
    parser.add_argument(
        "--shard",
        metavar="I/N",
        help="predict the I-th of N equal shares of the inputs, for N workers side by side",
    )
    _add_worker_options(parser)
    parser.add_argument("--reader", default="auto", help="auto or the name of a video reader")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="let torch compile the network first (9 s and more); ResNets are faster without",
    )
    parser.add_argument("--batch-size", type=int, help="frames at a time")
    parser.add_argument("--data-dir", type=Path, help="folder the images of a csv are relative to")
    parser.add_argument(
        "--bbox-file",
        type=Path,
        action="append",
        default=[],
        help="csv of boxes x, y, h, w: of the images of a label csv [those of the run], or of the "
        "frames of a video [<video>_bbox.csv beside it]; may be given several times",
    )
    parser.add_argument(
        "--overrides",
        nargs="+",
        default=[],
        metavar="K=V",
        help="change the run's configuration for this prediction (eval.* and dali.* keys)",
    )
    add_opening_options(parser)


def _add_worker_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        help="start N workers, a share each, and wait for them; with --launcher",
    )
    parser.add_argument(
        "--launcher",
        metavar="NAME",
        default="processes",
        help="what starts the workers, of the group hydra/launcher: processes, slurm_gpu, "
        "ray_gpu, or one of Hydra's own [processes]",
    )
    parser.add_argument(
        "--launch",
        metavar="K=V",
        nargs="+",
        default=[],
        help="settings of the launcher, as in --launch partition=gpu timeout_min=60",
    )


def run(args: argparse.Namespace) -> int:
    """Predict every input; return 1 if one failed."""
    from lightning_pose.cli.predict.predicting import PredictRequest, predict_and_report
    from lightning_pose.contracts.errors import ConfigError
    from lightning_pose.inference.shard import Shard

    check_batch_size(args.batch_size)
    if args.confidence is not None and not 0 <= args.confidence <= 1:
        raise ConfigError(f"--confidence should be between 0 and 1, got {args.confidence}.")
    request = PredictRequest(
        model=args.model,
        inputs=tuple(args.inputs),
        out=args.out,
        formats=formats_of(args.format),
        labeled_video=args.labeled_video,
        snippet=args.snippet,
        confidence=args.confidence,
        metrics=not args.no_metrics,
        raw_confidence=args.raw_confidence,
        overwrite=args.overwrite,
        shard=None if args.shard is None else Shard.parse(args.shard),
        reader=args.reader,
        device=args.device,
        precision=args.precision,
        batch_size=args.batch_size,
        compiled=args.compile,
        data_dir=args.data_dir,
        bbox_files=tuple(args.bbox_file),
        overrides=tuple(args.overrides),
        tracking_uri=args.tracking_uri,
    )
    if args.workers is None:
        return predict_and_report(request, as_json=args.json)
    from lightning_pose.cli.predict.workers import predict_in_workers  # imports Hydra

    if args.json:
        raise ConfigError("--json tells of one worker; leave it out, or --workers.")
    return predict_in_workers(
        request,
        workers=args.workers,
        launcher=args.launcher,
        settings=args.launch,
        debug=args.debug,
    )
