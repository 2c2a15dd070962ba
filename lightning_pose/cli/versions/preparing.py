"""Data made ready for the stages that follow: drawn if it is the toy set, checked in any case."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from lightning_pose.cli.terminal import note, say, say_json, say_table
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import check_is_no_file, file_sha256, write_text
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_checks import checked_labels
from lightning_pose.data.label_history import is_history
from lightning_pose.data.labels import read_labels
from lightning_pose.data.toy import TOY_VERSION, make_toy_dataset

LABEL_FILES = "CollectedData*.csv"
DRAWN, SCRATCH = ".drawn.json", ".drawing."
NEW = "new1"  # session that the toy data holds labels of in a file of their own


def prepare_and_report(args: argparse.Namespace) -> int:
    """Check the labels of a folder and print their numbers; return 0.

    Raises:
        DataError: they cannot be learnt from, or are not there.
    """
    check_is_no_file(args.data_dir)
    if args.draw is not None:
        wanted = {"version": TOY_VERSION, "seed": args.seed}
        draw_toy(args.data_dir, {**wanted, "labeled": args.labeled, "frames": args.frames})
    numbers = {path.name: describe(_checked(path)) for path in _label_files(args)}
    if args.out is not None:
        write_text(args.out, json.dumps(numbers, indent=2) + "\n")
    if args.json:
        say_json(numbers)
        return 0
    header = ("labels", "frames", "sessions", "keypoints", "points", "labelled")
    rows = [
        (
            name,
            facts["frames"],
            facts["sessions"],
            facts["keypoints"],
            facts["points"],
            f"{facts['labelled']:.0%}",
        )
        for name, facts in numbers.items()
    ]
    say_table(rows, header)
    say(f"The data in {args.data_dir} can be learnt from.")
    return 0


def draw_toy(folder: Path, wanted: dict[str, int]) -> None:
    """Draw the toy data set into a folder, unless it is there.

    It is drawn under another name first, so that one who is killed leaves nothing half-made; the
    labels come last. Labels that were edited since are kept.

    Args:
        folder: of the data set.
        wanted: version, seed, labelled frames, frames of video.

    Raises:
        DataError: the folder holds something else, or edited labels of another drawing.
    """
    labels, drawn = folder / "CollectedData.csv", folder / DRAWN
    if labels.exists():
        if not drawn.is_file():
            note(f"{labels} is kept.")
            return
        before = json.loads(drawn.read_text(encoding="utf-8"))
        if {name: before.get(name) for name in wanted} == wanted:
            note(f"The toy data set is in {folder} already.")
            return
        if before.get("sha256") != file_sha256(labels):
            raise DataError(
                f"{labels} was edited since it was drawn, so another toy data set is not drawn "
                "over it. Move the folder away, or name another one."
            )
    folder.mkdir(parents=True, exist_ok=True)
    for killed in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(killed, ignore_errors=True)
    note(f"Drawing the toy data set into {folder} ...")
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as scratch:
        made = make_toy_dataset(
            Path(scratch) / "toy",
            seed=wanted["seed"],
            num_labeled=wanted["labeled"],
            num_video_frames=wanted["frames"],
        )
        (made / "CollectedData_new.csv").unlink()
        shutil.rmtree(made / "labeled-data" / NEW)
        labels.unlink(missing_ok=True)
        for name in ("labeled-data", "videos"):
            shutil.rmtree(folder / name, ignore_errors=True)
            (made / name).rename(folder / name)
        facts = {**wanted, "sha256": file_sha256(made / labels.name)}
        write_text(drawn, json.dumps(facts) + "\n")
        (made / labels.name).rename(labels)


def describe(table: LabelTable) -> dict[str, Any]:
    """Return the numbers of a label table, for one version of it to be told from another."""
    labelled = table.labelled
    return {
        "frames": len(table),
        "sessions": len({str(Path(image).parent) for image in table.images}),
        "points": int(labelled.sum()),
        "labelled": round(float(labelled.mean()), 4),
        "keypoints": len(table.keypoint_names),
    }


def _label_files(args: argparse.Namespace) -> list[Path]:
    folder: Path = args.data_dir
    found = sorted(path for path in folder.glob(LABEL_FILES) if not is_history(path))
    files = [folder / name for name in args.csv] if args.csv else found
    if not files:
        raise DataError(
            f"{folder} holds no labels: there is no {LABEL_FILES}. Name the folder of a project, "
            "or its label files with --csv."
        )
    return files


def _checked(path: Path) -> LabelTable:
    table, warnings = checked_labels(read_labels(path, data_dir=path.parent))
    for warning in warnings:
        note(warning)
    return table
