"""Versions of labels for the command line: what differs, and corrections taken in."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lightning_pose.cli.terminal import note, say, say_json, say_table
from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.files import alone_in, file_sha256, write_atomically
from lightning_pose.data.context import NeighbourFinder
from lightning_pose.data.image_files import image_size
from lightning_pose.data.label_checks import inspect_positions
from lightning_pose.data.label_history import Merge, keep_backup, write_history
from lightning_pose.data.label_merging import OURS, REFUSE, THEIRS, MergedLabels, merge_labels
from lightning_pose.data.label_versions import (
    Change,
    KeypointChange,
    LabelDifference,
    diff_labels,
)
from lightning_pose.data.labels import read_labels, write_labels
from lightning_pose.data.wording import count, listed
from lightning_pose.data.worklists import Worklist, read_worklist
from lightning_pose.mlops.provenance import now, user_name
from lightning_pose.mlops.versions.label_pictures import write_pictures
from lightning_pose.mlops.versions.label_revisions import file_of_version

SHOWN = 20
HEADER = ("image", "keypoint", "change", "before", "after", "px")


def diff(args: argparse.Namespace) -> int:
    """Print what differs between two versions of labels; return 0.

    Raises:
        ConfigError: the threshold is no distance.
    """
    if not 0 <= args.threshold < float("inf"):
        raise ConfigError(f"--threshold is a distance in pixels, not {args.threshold}.")
    with tempfile.TemporaryDirectory() as scratch:
        files = [file_of_version(version, Path(scratch)) for version in (args.before, args.after)]
        before, after = (read_labels(file, data_dir=file.parent) for file in files)
    found = diff_labels(
        before,
        after,
        threshold_px=args.threshold,
        renamed=_renames(args.rename),
        allow_new_names=args.no_rename,
    )
    if args.json:
        say_json(_as_plain(found))
    else:
        _say_difference(found)
    if args.pictures is not None:
        file = args.after if Path(args.after).exists() else args.after.rpartition("@")[0]
        folder = args.data_dir or Path(file).parent
        for remark in write_pictures(found, args.pictures, data_dir=folder):
            note(remark)
        note(f"pictures: {args.pictures}")
    return 0


def merge(args: argparse.Namespace) -> int:
    """Merge a worklist into labels; return 0."""
    out = args.labels if args.in_place else args.out
    if out.suffix.lower() != ".csv":
        raise ConfigError(f"Labels are written as csv; name one with --out, not {out}.")
    with alone_in(out.parent):
        return _merge(args, out)


def _merge(args: argparse.Namespace, out: Path) -> int:
    data_dir = args.data_dir or _folder_of(args.labels)
    labels_sha256 = file_sha256(args.labels)  # first: what is changed from here on is noticed
    labels = read_labels(args.labels, data_dir=data_dir)
    worklist = read_worklist(args.worklist, data_dir=data_dir)
    _tell_of(worklist, labels_sha256, args)
    merged = merge_labels(
        labels,
        worklist.table,
        base=worklist.base,
        handed_out={} if args.untouched and worklist.base is not None else worklist.handed_out,
        prefer=THEIRS if args.theirs else OURS if args.ours else REFUSE,
    )
    images = _new_images(merged, args.worklist.resolve().parent)
    _check_places(merged, images)
    if merged.changes or out.resolve() != args.labels.resolve():
        _write(args, out, merged, images, labels_sha256)
    _say_merge(merged, out, as_json=args.json)
    return 0


def _folder_of(labels: Path) -> Path:
    """Return the folder of labels; that of a link (DVC makes some) if the images lie there."""
    beside, behind = labels.absolute().parent, labels.resolve().parent
    if not labels.is_symlink():
        return behind
    images = read_labels(labels, data_dir=beside).images
    return beside if any((beside / image).is_file() for image in images) else behind


def _renames(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    wrong = [text for text, pair in zip(given, pairs, strict=True) if not (pair[0] and pair[2])]
    if wrong:
        raise ConfigError(f"--rename takes OLD=NEW, not {wrong[0]!r}.")
    return {old: new for old, _, new in pairs}


def _say_difference(found: LabelDifference) -> None:
    for names, what in (
        (found.added_frames, "frame added"),
        (found.removed_frames, "frame removed"),
        (found.added_keypoints, "keypoint added"),
        (found.removed_keypoints, "keypoint removed"),
    ):
        if names:
            noun, verb = what.split()
            say(f"{count(len(names), noun)} {verb}: {listed(names)}")
    for old, new in found.renamed.items():
        say(f"keypoint {old} is called {new} now")
    if found.changes:
        ordered = sorted(found.changes, key=lambda c: -np.nan_to_num(c.distance_px, nan=-1.0))
        say_table([_row(change) for change in ordered[:SHOWN]], HEADER)
        if len(ordered) > SHOWN:
            note(f"{len(ordered) - SHOWN} more changes; --json lists all.")
    numbers = [f"{len(found.of(kind))} {kind.value}" for kind in Change if found.of(kind)]
    moved = [change.distance_px for change in found.of(Change.MOVED)]
    far = f" (median {np.median(moved):.2f} px, at most {max(moved):.2f} px)" if moved else ""
    say(
        f"labels: {', '.join(numbers)}{far}, {found.unchanged} the same"
        if numbers
        else f"labels: all {found.unchanged} are the same"
    )


def _row(change: KeypointChange) -> tuple[object, ...]:
    places = [
        f"{point.x:.1f}, {point.y:.1f}" if point.is_labelled else "-"
        for point in (change.before, change.after)
    ]
    return (change.image, change.keypoint, change.change.value, *places, change.distance_px)


def _as_plain(found: LabelDifference) -> dict[str, Any]:
    return {
        "added_frames": found.added_frames,
        "removed_frames": found.removed_frames,
        "added_keypoints": found.added_keypoints,
        "removed_keypoints": found.removed_keypoints,
        "renamed": dict(found.renamed),
        "unchanged": found.unchanged,
        "changes": _changes_as_plain(found.changes),
    }


def _changes_as_plain(changes: Sequence[KeypointChange]) -> list[dict[str, Any]]:
    return [
        {**asdict(change), "change": change.change.value, "distance_px": change.distance_px}
        for change in changes
    ]


def _tell_of(worklist: Worklist, labels_sha256: str, args: argparse.Namespace) -> None:
    if worklist.base is None:
        note(
            f"Nothing beside {args.worklist} says what the labels were when it was made: each of "
            "its labels is taken as a correction, and its empty cells take nothing away."
        )
    elif worklist.labels_sha256 and worklist.labels_sha256 != labels_sha256:
        note(
            f"{args.labels} is another file than the worklist was made from; points are compared."
        )


def _new_images(merged: MergedLabels, folder: Path) -> dict[str, Path]:
    """Return the images that are not in the data folder but beside the worklist.

    Raises:
        DataError: some are in neither.
    """
    table = merged.table
    outside = [image for image in merged.added_frames if _leads_outside(image)]
    if outside:
        raise DataError(
            f"New images lie in the data folder, {table.root}; {listed(outside)} would not. "
            "Change the first column of the worklist."
        )
    touched = dict.fromkeys([*merged.added_frames, *(c.image for c in merged.changes)])
    missing = [image for image in touched if not (table.root / image).is_file()]
    places = (folder, *folder.parents[:2])  # DeepLabCut has a csv in the folder of each video
    found = {
        image: place / image
        for image in missing
        for place in reversed(places)
        if (place / image).is_file()
    }
    lost = [image for image in missing if image not in found]
    if lost:
        raise DataError(
            f"{count(len(lost), 'image')} of the worklist neither under {table.root} nor beside "
            f"the worklist: {listed(lost)}. Name the folder with --data-dir, or bring them."
        )
    return found


def _with_neighbours(images: dict[str, Path], data_dir: Path) -> dict[Path, Path]:
    """Return what is copied where: images, and beside them the frames around, which may be new."""
    copies = {source: data_dir / image for image, source in images.items()}
    finder = NeighbourFinder()
    for image, source in images.items():
        for near in finder.neighbours(source):
            target = (data_dir / image).with_name(near.name)
            if not target.exists():
                copies.setdefault(near, target)
    return copies


def _leads_outside(image: str) -> bool:
    path = PurePosixPath(image)
    return path.is_absolute() or ".." in path.parts


def _check_places(merged: MergedLabels, images: dict[str, Path]) -> None:
    """Raise DataError if a merged label lies outside its image."""
    changed = {change.image for change in merged.changes}
    rows = np.array([row for row, i in enumerate(merged.table.images) if i in changed], dtype=int)
    if not len(rows):
        return
    table = merged.table.rows(rows)
    paths = [images.get(image, table.root / image) for image in table.images]
    report = inspect_positions(table, np.array([image_size(path) for path in paths]))
    if report.errors or report.warnings:
        found = (*report.errors, *report.warnings)[0]
        raise DataError(f"Nothing was merged. {found} Correct them in the worklist.")


def _write(
    args: argparse.Namespace,
    out: Path,
    merged: MergedLabels,
    images: dict[str, Path],
    labels_sha256: str,
) -> None:
    """Write labels, history and new images; a file that stood there is kept as a backup."""
    for source, target in _with_neighbours(images, merged.table.root).items():
        write_atomically(target, lambda temporary, s=source: shutil.copyfile(s, temporary))
    if file_sha256(args.labels) != labels_sha256:
        raise DataError(f"{args.labels} was changed while it was merged into; merge again.")
    if out.is_file():
        note(f"the file of before: {keep_backup(out)}")
    if out.is_symlink():
        note(f"{out} was a link to {out.resolve()}, which stays as it is; now it is a file.")
    with tempfile.TemporaryDirectory() as scratch:
        result_sha256 = file_sha256(write_labels(merged.table, Path(scratch) / out.name))
    entry = Merge(
        merged=now(),
        who=args.by or user_name(),
        worklist=str(args.worklist.resolve()),
        worklist_sha256=file_sha256(args.worklist),
        labels_sha256=labels_sha256,
        result_sha256=result_sha256,
    )
    note(f"history: {write_history(out, entry, merged.changes, before=args.labels)}")
    write_labels(merged.table, out)


def _say_merge(merged: MergedLabels, out: Path, *, as_json: bool) -> None:
    kinds = [c.change for c in merged.changes]
    numbers = {kind.value: kinds.count(kind) for kind in Change}
    if as_json:
        say_json(
            {
                "labels": str(out),
                "rows": len(merged.table),
                "added_frames": merged.added_frames,
                "untouched": merged.untouched,
                "conflicts": [asdict(conflict) for conflict in merged.conflicts],
                "changes": _changes_as_plain(merged.changes),
            }
        )
        return
    if merged.untouched:
        left_out = listed(merged.untouched)
        note(
            f"These came back as handed out and are left out: {left_out} (--untouched takes them)."
        )
    if merged.conflicts:
        note(f"{count(len(merged.conflicts), 'conflict')} decided as you said.")
    told = ", ".join(f"{number} {kind}" for kind, number in numbers.items() if number)
    frames = f", {count(len(merged.added_frames), 'frame')} new" if merged.added_frames else ""
    say(f"labels: {out}, {count(len(merged.table), 'row')}; {told or 'nothing to merge'}{frames}")
