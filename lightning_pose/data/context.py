"""Neighbouring frames of a labelled image, found by file name.

``img00000012.png`` has the neighbours ``img00000011.png`` and ``img00000013.png``: the last group
of digits of the name counts, its zeros are kept. Where a neighbour is missing, the image itself
stands in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.wording import count

CONTEXT = 5  # frames of a window, as the context tracker takes them
LAST_DIGITS = re.compile(r"(\d+)(?!.*\d)")


@dataclass(frozen=True, kw_only=True)
class ContextReport:
    """How many images have their neighbouring files.

    Attributes:
        complete: images all of whose neighbours exist.
        partial: images some of whose neighbours exist.
        alone: images without any.
        labelled_neighbours: neighbours found that are labelled images themselves. If nearly all
            are, the numbers count labelled images rather than frames of a video.
        neighbours: neighbours found.
    """

    complete: int
    partial: int
    alone: int
    labelled_neighbours: int
    neighbours: int

    @property
    def total(self) -> int:
        """Return the number of images looked at."""
        return self.complete + self.partial + self.alone

    def warnings(self) -> list[str]:
        """Return what a user of a context model should know."""
        found = []
        if self.complete < self.total:
            found.append(
                f"{self.total - self.complete} of {count(self.total, 'labelled image')} lack "
                f"neighbouring frames beside them ({self.alone} have none); the image itself "
                "stands in."
            )
        if self.neighbours and self.labelled_neighbours > 0.5 * self.neighbours:
            found.append(
                f"{self.labelled_neighbours} of the {self.neighbours} neighbouring files are "
                "labelled images themselves: the file numbers seem to count labelled images, "
                "not consecutive frames, and a context model learns nothing from them."
            )
        return found


class NeighbourFinder:
    """Finds neighbouring files, reading each folder once."""

    def __init__(self) -> None:
        self._files: dict[Path, frozenset[str]] = {}

    def find(self, path: Path, offset: int) -> Path | None:
        """Return the file ``offset`` frames away from ``path``, or None if there is none."""
        files = self._files_in(path.parent)
        for name in _numbered_names(path, offset):
            if name in files:
                return path.with_name(name)
        return None

    def neighbours(self, path: Path, context: int = CONTEXT) -> list[Path]:
        """Return the files of the window around ``path`` that exist, without ``path`` itself."""
        halo = (context - 1) // 2
        found = (self.find(path, offset) for offset in range(-halo, halo + 1) if offset)
        return [file for file in found if file is not None]

    def window(self, path: Path, context: int) -> list[Path]:
        """Return the ``context`` files around ``path``; it stands in for missing ones."""
        halo = (context - 1) // 2
        return [
            path if offset == 0 else self.find(path, offset) or path
            for offset in range(-halo, halo + 1)
        ]

    def _files_in(self, folder: Path) -> frozenset[str]:
        if folder not in self._files:
            names = os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208 (3x faster)
            self._files[folder] = frozenset(names)
        return self._files[folder]


def inspect_context(tables: Sequence[LabelTable], *, context: int = CONTEXT) -> ContextReport:
    """Return how many labelled images have their neighbouring files."""
    finder = NeighbourFinder()
    halo = (context - 1) // 2
    offsets = [offset for offset in range(-halo, halo + 1) if offset]
    paths = [table.path(row) for table in tables for row in range(len(table))]
    labelled = set(paths)
    found = [[finder.find(path, offset) for offset in offsets] for path in paths]
    per_image = [sum(path is not None for path in row) for row in found]
    return ContextReport(
        complete=sum(n == len(offsets) for n in per_image),
        partial=sum(0 < n < len(offsets) for n in per_image),
        alone=sum(n == 0 < len(offsets) for n in per_image),
        labelled_neighbours=sum(path in labelled for row in found for path in row),
        neighbours=sum(per_image),
    )


def _numbered_names(path: Path, offset: int) -> list[str]:
    """Return the names the neighbour may have: zeros kept, and without where the width changes."""
    match = LAST_DIGITS.search(path.stem)
    if match is None:
        return []
    number = int(match[1]) + offset
    if number < 0:
        return []
    start, end = match.span()
    padded = str(number).zfill(len(match[1]))
    return [
        f"{path.stem[:start]}{digits}{path.stem[end:]}{path.suffix}"
        for digits in dict.fromkeys([padded, str(number)])
    ]
