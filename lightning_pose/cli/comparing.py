"""Comparing two models for the command line."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning_pose.cli.held_out import errors_px, predict_tables, read_scorable, unseen
from lightning_pose.cli.opening import open_model
from lightning_pose.cli.terminal import say, say_json, say_table
from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.files import check_is_no_file, write_text
from lightning_pose.inference.model import Model
from lightning_pose.metrics.comparison import Comparison, compare_errors

JSON, CSV, OVERALL = "comparison.json", "keypoints.csv", "overall.json"
DECIMALS = 4


def compare_and_report(args: argparse.Namespace) -> int:
    """Compare two models on labels that neither learnt from; return 0.

    Raises:
        LitposeError: they cannot be compared.
    """
    if args.out is not None:
        check_is_no_file(args.out)
    models = [
        open_model(
            name, device=args.device, precision=args.precision, tracking_uri=args.tracking_uri
        )
        for name in (args.first, args.second)
    ]
    files, folder = _labels(models[0], args)
    tables = unseen(read_scorable(models[0], files, data_dir=folder), models)
    first, second = (
        errors_px(predict_tables(model, tables, args.bbox_file), tables) for model in models
    )
    names = _keypoint_names(models[0])
    found = compare_errors(first, second, images=tables[0].images, keypoint_names=names)
    if args.out is not None:
        write_comparison(args.out, found, (args.first, args.second))
    if args.json:
        say_json(_as_plain(found, (args.first, args.second)))
    else:
        _say(found, (args.first, args.second))
    return 0


def write_comparison(out: Path, found: Comparison, names: tuple[str, str]) -> None:
    """Write comparison.json with all numbers, overall.json, and keypoints.csv, a row for each."""
    plain = _as_plain(found, names)
    write_text(out / JSON, json.dumps(plain, indent=2) + "\n")
    write_text(out / OVERALL, json.dumps(plain["overall"], indent=2) + "\n")
    header: list[str] = [
        "keypoint",
        "first_px",
        "second_px",
        "difference_px",
        "low_px",
        "high_px",
        "frames",
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, header, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for name, difference in found.by_keypoint.items():
        writer.writerow({"keypoint": name, **_rounded(asdict(difference))})
    write_text(out / CSV, text.getvalue())


def read_comparison(folder: Path) -> dict[str, Any]:
    """Return what comparison.json in a folder holds.

    Raises:
        DataError: there is none.
    """
    try:
        return dict(json.loads((folder / JSON).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder / JSON} is no comparison. Make one: litpose compare A B --out {folder}"
        ) from error


def _labels(model: Model, args: argparse.Namespace) -> tuple[list[Path], Path]:
    """Return the label files, one a view, and the folder of their images."""
    if args.csv:
        return list(args.csv), args.data_dir or args.csv[0].resolve().parent
    run_dir = model.files.run_dir if model.files else None
    if run_dir is None:
        raise ConfigError(
            f"{args.first} is a checkpoint without its run directory, so its labels are not "
            "known. Name labels with --csv."
        )
    data = load_run_config(run_dir).data
    folder = Path(args.data_dir or data.data_dir or run_dir)
    return [folder / name for name in data.csv_files], folder


def _keypoint_names(model: Model) -> Sequence[str]:
    names = model.keypoint_names
    return [f"{view} {name}" for view in model.view_names for name in names] or names


def _say(found: Comparison, names: tuple[str, str]) -> None:
    rows = [
        (
            name,
            one.first_px,
            one.second_px,
            f"{one.difference_px:+.2f}",
            f"{one.low_px:+.2f} to {one.high_px:+.2f}",
            one.frames,
        )
        for name, one in {**found.by_keypoint, "all": found.overall}.items()
    ]
    say(f"A: {names[0]}")
    say(f"B: {names[1]}")
    say_table(rows, ("keypoint", "A px", "B px", "B - A", "95 %", "frames"))
    say(found.verdict("A", "B"))


def _as_plain(found: Comparison, names: tuple[str, str]) -> dict[str, object]:
    return {
        "first": names[0],
        "second": names[1],
        "verdict": found.verdict("A", "B"),
        "overall": _rounded(asdict(found.overall)),
        "by_keypoint": {name: _rounded(asdict(one)) for name, one in found.by_keypoint.items()},
    }


def _rounded(values: dict[str, float | int | bool]) -> dict[str, float | int | bool]:
    return {
        name: round(value, DECIMALS) if isinstance(value, float) else value
        for name, value in values.items()
    }
