"""Which labelled images train, validate, test: the split, and its csv (columns image, set).

The random order of images comes from a hash of seed and image path, not from a generator: it is
the same on every machine and library version, and new images leave the order of the others alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Int

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import SETS
from lightning_pose.data.label_files import read_cells
from lightning_pose.data.wording import count, listed

TOLERANCE = 1e-6
TRAIN, VALIDATION, TEST, UNUSED = SETS
_ALIASES = {"val": VALIDATION, "valid": VALIDATION}


@dataclass(frozen=True, kw_only=True)
class Split:
    """The part each row of a label table belongs to.

    Attributes:
        images: image path of each row.
        sets: train, validation, test or unused, for each row.
    """

    images: tuple[str, ...]
    sets: tuple[str, ...]

    def rows(self, name: str) -> Int[np.ndarray, " m"]:
        """Return the rows in the part ``name``, in table order."""
        return np.array([row for row, part in enumerate(self.sets) if part == name], dtype=int)

    def write(self, path: Path) -> Path:
        """Write the split as csv with the columns image, set; return ``path``."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["image", "set"])
        writer.writerows(zip(self.images, self.sets, strict=True))
        return write_text(path, text.getvalue())

    @classmethod
    def read(cls, path: Path) -> Split:
        """Return the split in a csv, its rows in the file's order.

        Raises:
            DataError: the file is missing or is no split.
        """
        rows, _ = read_cells(path)
        header = [cell.lower() for cell in rows[0][1]] if rows else []
        if not {"image", "set"} <= set(header):
            raise DataError(
                f"{path} is not a split: expected a csv with the columns image and set, got "
                f"{', '.join(header) or 'an empty file'}."
            )
        image_at, set_at = header.index("image"), header.index("set")
        cells = [(line, row + [""] * (len(header) - len(row))) for line, row in rows[1:]]
        images = [_posix(row[image_at]) for _, row in cells]
        twice = [image for image, times in Counter(images).items() if times > 1]
        if twice:
            raise DataError(f"{path} names these images more than once: {listed(twice)}.")
        sets = [_set_name(path, line, row[set_at]) for line, row in cells]
        return cls(images=tuple(images), sets=tuple(sets))


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What is asked of a way to split; ``images`` are those with a label."""

    images: tuple[str, ...]
    train_prob: float
    val_prob: float
    seed: int
    split_file: Path | None


def split_rows(
    table: LabelTable,
    *,
    train_prob: float = 0.95,
    val_prob: float = 0.05,
    seed: int = 0,
    by: str = "frame",
    split_file: Path | None = None,
    train_frames: float | int | None = 1,
    other_views: Sequence[LabelTable] = (),
) -> Split:
    """Return the part of every row; rows without any label are unused.

    There is at least one validation image where ``val_prob`` > 0, and at least one to train on.

    Args:
        table: the labels.
        train_prob: share of the images to train on.
        val_prob: share to validate on; what is left of 1 tests.
        seed: same seed, same split.
        by: "frame" draws images; "video" draws folders, whose images stay together; "file" reads
            ``split_file``.
        split_file: csv with the columns image, set.
        train_frames: 1 or None trains on all training images, a fraction on that share, a number
            above 1 on that many; smaller choices are subsets of larger ones. The rest is unused.
        other_views: tables of the same rows in other views; a label in any view counts.

    Raises:
        DataError: the split is impossible; the message has the numbers.
    """
    if by not in _WAYS:
        raise DataError(f"data can be split by {', '.join(_WAYS)}, not by {by!r}.")
    labelled = np.any([view.labelled.any(-1) for view in (table, *other_views)], axis=0)
    request = _Request(
        images=tuple(table.images[row] for row in np.flatnonzero(labelled)),
        train_prob=train_prob,
        val_prob=val_prob,
        seed=seed,
        split_file=split_file,
    )
    parts = dict(_WAYS[by](request))
    in_training = [image for image in request.images if parts[image] == TRAIN]
    if not in_training:
        raise DataError("The split leaves no labelled image to train on.")
    wanted = _number_to_train_on(train_frames, len(in_training))
    for image in _shuffled(in_training, seed)[wanted:]:
        parts[image] = UNUSED
    sets = tuple(parts.get(image, UNUSED) for image in table.images)
    return Split(images=table.images, sets=sets)


def _split_by_frame(request: _Request) -> Mapping[str, str]:
    _check_shares(request)
    order = _shuffled(request.images, request.seed)
    return _allot({image: [image] for image in order}, request)


def _split_by_video(request: _Request) -> Mapping[str, str]:
    _check_shares(request)
    folders: dict[str, list[str]] = {}
    for image in request.images:
        folders.setdefault(str(PurePosixPath(image).parent), []).append(image)
    if len(folders) == 1 and request.val_prob > 0:
        raise DataError(
            f"All {count(len(request.images), 'labelled image')} are in one folder, "
            f"{next(iter(folders))}; split_by=video needs at least two. Use split_by=frame, or "
            "split_by=file with a file of your own."
        )
    order = _shuffled(folders, request.seed)
    return _allot({folder: folders[folder] for folder in order}, request)


def _split_by_file(request: _Request) -> Mapping[str, str]:
    if request.split_file is None:
        raise DataError("split_by=file needs a csv in split_file, with the columns image and set.")
    split = Split.read(request.split_file)
    stated = dict(zip(split.images, split.sets, strict=True))
    missing = [image for image in request.images if image not in stated]
    if missing:
        raise DataError(
            f"{request.split_file} has no set for {count(len(missing), 'labelled image')}: "
            f"{listed(missing)}. Give each one a set (train, validation, test, or unused to leave "
            "it out)."
        )
    return {image: stated[image] for image in request.images}


_WAYS: dict[str, Callable[[_Request], Mapping[str, str]]] = {
    "frame": _split_by_frame,
    "video": _split_by_video,
    "file": _split_by_file,
}


def _check_shares(request: _Request) -> None:
    train, val = request.train_prob, request.val_prob
    if not (0 < train <= 1 and 0 <= val < 1):
        raise DataError(
            f"train_prob must be above 0 and val_prob between 0 and 1, got {train:g} and {val:g}."
        )
    if train + val > 1 + TOLERANCE:
        raise DataError(
            f"train_prob {train:g} and val_prob {val:g} add up to {train + val:g}; "
            "they may add up to 1 at most."
        )
    if len(request.images) < 2 and val > 0:
        raise DataError(
            f"There is {count(len(request.images), 'labelled image')}; training with validation "
            "needs at least two. Label more images, or set val_prob=0."
        )


def _allot(groups: Mapping[str, Sequence[str]], request: _Request) -> dict[str, str]:
    """Return the part of each image, given groups in random order that must stay together.

    Each group goes to the part that lacks most of its share. Validation first: it is small, and a
    tie (4.5 of 90) is worth more to it.
    """
    total = len(request.images)
    shares = {VALIDATION: request.val_prob, TRAIN: request.train_prob}
    rest = 1 - sum(shares.values())
    lacking = {part: share * total for part, share in shares.items() if share > 0}
    if rest > TOLERANCE:
        lacking[TEST] = rest * total
    members: dict[str, list[str]] = {part: [] for part in lacking}
    for name, images in groups.items():
        part = max(lacking, key=lambda part: round(lacking[part], 6))
        members[part].append(name)
        lacking[part] -= len(images)
    for part in members if len(groups) >= len(members) else (TRAIN, VALIDATION):
        _fill_if_empty(members, part)
    return {
        image: part for part, names in members.items() for name in names for image in groups[name]
    }


def _fill_if_empty(members: dict[str, list[str]], part: str) -> None:
    """Move one group into an empty part that is asked for, from the part with most groups."""
    if part in members and not members[part]:
        largest = max(members, key=lambda other: len(members[other]))
        members[part].append(members[largest].pop())


def _number_to_train_on(train_frames: float | int | None, available: int) -> int:
    if train_frames is None or train_frames == 1:
        return available
    if 0 < train_frames < 1:
        return max(1, math.floor(train_frames * available + TOLERANCE))
    if train_frames < 0 or train_frames != int(train_frames) or train_frames == 0:
        raise DataError(
            "train_frames is 1 (all), a fraction between 0 and 1, or a whole number above 1, got "
            f"{train_frames:g}."
        )
    if train_frames > available:
        raise DataError(
            f"train_frames asks for {train_frames:g} images, but only {available} are in training."
        )
    return int(train_frames)


def _shuffled(names: Sequence[str] | Mapping[str, object], seed: int) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def _set_name(path: Path, line: int, cell: str) -> str:
    name = _ALIASES.get(cell.lower(), cell.lower())
    if name not in SETS:
        raise DataError(f"{path}, line {line}: {cell!r} is no set; use one of {', '.join(SETS)}.")
    return name


def _posix(image: str) -> str:
    return PurePosixPath(image.replace("\\", "/")).as_posix()
