"""Comparing two models, or two configurations, for the command line."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.cli.judge.scored_frames import (
    LabelSet,
    Scored,
    labels_px,
    read_label_sets,
    score,
)
from lightning_pose.cli.judge.sides import Side, open_sides
from lightning_pose.cli.terminal import note, say, say_json, say_table
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import check_is_no_file, write_text
from lightning_pose.inference.model import Model
from lightning_pose.metrics.calibration import (
    CalibrationTable,
    ScoredPoints,
    calibration_table,
)
from lightning_pose.metrics.comparison import Comparison, compare_errors
from lightning_pose.metrics.differences import PairedDifference
from lightning_pose.metrics.frame_choice import ensemble_spread
from lightning_pose.metrics.hard_keypoints import HardCurve, hard_curve
from lightning_pose.metrics.isotonic import share_of_size_px
from lightning_pose.metrics.summary import object_keypoint_similarity, summarise_errors

JSON, CSV, OVERALL = "comparison.json", "keypoints.csv", "overall.json"
DECIMALS = 4
P_VALUES = ("p_value", "adjusted_p")  # small ones would be rounded to nothing
HEADER = ("first_px", "second_px", "difference_px", "low_px", "high_px", "frames")
SHOWN_HARD = (0.5, 0.9)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that a comparison found.

    Attributes:
        names: of both sides.
        models: of each side, as they were named.
        comparison: the differences.
        hard: over the keypoints that the models place far apart.
        calibration: of the confidence of each side; None = its models have none.
        scores: mean, median, percentile, PCK and OKS of each side.
    """

    names: tuple[str, str]
    models: tuple[tuple[str, ...], tuple[str, ...]]
    comparison: Comparison
    hard: HardCurve
    calibration: tuple[CalibrationTable | None, CalibrationTable | None]
    scores: tuple[Mapping[str, Any], Mapping[str, Any]]

    def as_plain(self) -> dict[str, Any]:
        """Return the numbers as plain values, rounded but for p-values."""
        first, second = self.calibration
        return _rounded(
            {
                "first": self.names[0],
                "second": self.names[1],
                "first_models": self.models[0],
                "second_models": self.models[1],
                "verdict": self.comparison.verdict("A", "B"),
                "remarks": self.comparison.remarks(),
                **self.comparison.as_plain(),
                "scores": {"first": self.scores[0], "second": self.scores[1]},
                "hard": self.hard.as_plain(),
                "calibration": {
                    "first": first.as_plain() if first else None,
                    "second": second.as_plain() if second else None,
                },
            }
        )


def compare_and_report(args: argparse.Namespace) -> int:
    """Compare two sides on labels that no model learnt from; return 0.

    Raises:
        LitposeError: they cannot be compared.
    """
    if args.out is not None:
        check_is_no_file(args.out)
    sides = open_sides(args)
    models = [model for side in sides for model in side.models]
    sets = read_label_sets(models, args, named=sides[0].names[0])
    found = find(sides, sets, bbox_files=args.bbox_file, within_px=args.within_px)
    if args.out is not None:
        write_comparison(args.out, found)
    for remark in found.comparison.remarks():
        note(remark)
    if args.json:
        say_json(found.as_plain())
    else:
        _say(found)
    return 0


def find(
    sides: tuple[Side, Side],
    sets: Mapping[str, LabelSet],
    *,
    bbox_files: Sequence[Path] = (),
    within_px: float | None = None,
) -> Findings:
    """Return all that a comparison finds.

    Args:
        sides: opened.
        sets: labels of frames that no model learnt from, by name.
        bbox_files: boxes of the images.
        within_px: what counts as right when the confidence is judged; None = as the models of
            the side are calibrated, else a share of the animal's size.
    """
    every = list(sets.values())
    first, second = ([score(one, every, bbox_files) for one in side.models] for side in sides)
    models = [model for side in sides for model in side.models]
    images = [image for tables in every for image in tables[0].images]
    labels = labels_px(every)
    errors = [one.error_px for one in first], [one.error_px for one in second]
    spread = ensemble_spread(np.stack([one.xy_img for one in (*first, *second)]))
    within = [within_px or _near_px(side) or share_of_size_px(labels) for side in sides]
    return Findings(
        names=(sides[0].name, sides[1].name),
        models=(sides[0].names, sides[1].names),
        comparison=compare_errors(
            *errors,
            images=images,
            keypoint_names=keypoint_names(models[0]),
            parts=[name for name, tables in sets.items() for _ in tables[0].images],
        ),
        hard=hard_curve(*errors, spread, images=images, models=len(models)),
        calibration=(
            _calibration(first, images, within[0]),
            _calibration(second, images, within[1]),
        ),
        scores=(_scores(first, labels), _scores(second, labels)),
    )


def write_comparison(out: Path, found: Findings) -> None:
    """Write comparison.json with all numbers, overall.json, and keypoints.csv, a row for each."""
    plain = found.as_plain()
    write_text(out / JSON, json.dumps(plain, indent=2) + "\n")
    write_text(out / OVERALL, json.dumps(plain["overall"], indent=2) + "\n")
    text = io.StringIO()
    header = ["keypoint", *HEADER, "p_value", "adjusted_p"]
    writer = csv.DictWriter(text, header, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for name, difference in plain["by_keypoint"].items():
        writer.writerow({"keypoint": name, **difference})
    write_text(out / CSV, text.getvalue())


def read_comparison(folder: Path) -> dict[str, Any]:
    """Return what comparison.json in a folder holds.

    Raises:
        DataError: there is none, or one of an older version.
    """
    again = f"litpose compare A B --out {folder}"
    try:
        found = dict(json.loads((folder / JSON).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / JSON} is no comparison. Make one: {again}") from error
    lacking = [name for name in ("remarks", "hard", "calibration") if name not in found]
    if lacking:
        raise DataError(
            f"{folder / JSON} lacks {', '.join(lacking)}: an older litpose wrote it. Make it "
            f"again: {again}"
        )
    return found


def keypoint_names(model: Model) -> Sequence[str]:
    """Return the names of a model's keypoints, those of several views side by side."""
    names = model.keypoint_names
    return [f"{view} {name}" for view in model.view_names for name in names] or names


def _near_px(side: Side) -> float | None:
    """Return the distance that all models of a side are calibrated for; None if there is none."""
    found = {model.calibration.within_px if model.calibration else None for model in side.models}
    return found.pop() if len(found) == 1 else None


def _calibration(
    scored: Sequence[Scored], images: Sequence[str], within_px: float
) -> CalibrationTable | None:
    points = [ScoredPoints.of(one.error_px, one.confidence, images) for one in scored]
    return calibration_table(ScoredPoints.joined(points), within_px=within_px)


def _scores(scored: Sequence[Scored], labels: np.ndarray) -> dict[str, Any]:
    """Return the numbers of a side, its runs taken together."""
    similar = np.concatenate([object_keypoint_similarity(one.error_px, labels) for one in scored])
    known = similar[np.isfinite(similar)]
    return {
        **summarise_errors(np.concatenate([one.error_px for one in scored])),
        "oks": float(known.mean()) if known.size else None,
    }


def _say(found: Findings) -> None:
    for label, names in zip("AB", found.models, strict=True):
        say(f"{label}: {', '.join(names)}")
    compared = found.comparison
    rows = {**compared.by_keypoint, **compared.by_part, "all": compared.overall}
    say_table(
        [_row(name, one) for name, one in rows.items()],
        ("keypoint", "A px", "B px", "B - A", "95 %", "frames"),
    )
    hard = [_hard_row(found.hard, share) for share in SHOWN_HARD]
    if any(hard):
        say(f"Of the keypoints that the {found.hard.models} models place farthest apart:")
        say_table(
            [row for row in hard if row],
            ("spread over", "A px", "B px", "B - A", "95 %", "frames"),
        )
    for label, table in zip("AB", found.calibration, strict=True):
        if table is not None:
            say(
                f"{label}: the likelihood is off by {table.expected_error:.2f} on average from "
                f"the share of keypoints within {table.within_px:.1f} px"
            )
    say(compared.verdict("A", "B"))


def _row(name: str, one: PairedDifference) -> tuple[object, ...]:
    return (
        name,
        one.first_px,
        one.second_px,
        f"{one.difference_px:+.2f}",
        f"{one.low_px:+.2f} to {one.high_px:+.2f}" if one.bounded else "no bounds",
        one.frames,
    )


def _hard_row(curve: HardCurve, share: float) -> tuple[object, ...] | None:
    point = next((one for one in curve.points if one.share >= share), None)
    if point is None:
        return None
    name = f"{point.spread_px:.1f} px ({1 - point.share:.0%})"
    return _row(name, point.difference)


def _rounded(value: Any) -> Any:
    """Return plain values, numbers but p-values of four decimals; NaN and infinity become None."""
    if isinstance(value, float):
        return round(value, DECIMALS) if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {
            str(name): one if name in P_VALUES else _rounded(one) for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
